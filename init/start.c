/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel enters: the stack pointer points at argc, argv and the environment follow. */
#include "program.h"
#include "syscall.h"

__attribute__((noreturn, used)) void init_start(uintptr_t *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call init_start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	".type _start, %function\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	bl init_start\n");
#endif

void init_start(uintptr_t *stack)
{
	sys_exit(init_program((int)stack[0], (char **)(stack + 1)));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl-rules: checks every rule of the ioctls of /dev/nitro_enclaves and of ne_cpus that can be
 * seen from user space, prints TAP, and ends with 1 when one does not hold. It wants the machine
 * for itself: no enclave, and 64 free huge pages of 2 MiB.
 *
 * A line "control: ..." on stdout is for the hypervisor's control socket, whose answer is read from
 * stdin. At the end of stdin what needs it is skipped.
 */
/*
 * ioctl-rules: checks every rule of the ioctls of /dev/nitro_enclaves and of ne_cpus that can be
 * seen from user space, prints TAP, and ends with 1 when one does not hold. It wants the machine
 * for itself: no enclave, and 64 free huge pages of 2 MiB.
 *
 * A line "control: ..." is for the hypervisor; who has done it answers "ok". At the end of stdin
 * what needs it is skipped.
 */
#include "witness.h"

int main(void)
{
	note("%s", machine.name);
	find_cpus();
	check_pool();
	set_pool(cpus.pool);
	check_numbers();
	check_pointers();
	check_vcpus();
	check_image_info();
	check_memory();
	check_start();
	check_life();
	check_refusals();
	check_module();
	(void)write_pool("\n");
	return finish();
}

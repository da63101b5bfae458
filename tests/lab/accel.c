/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says how the lab's VM is to run: "kvm" where KVM truly runs guests of the QEMU that is first in
 * the PATH, else "tcg". tests/lab/lab asks.
 */
#include <stdio.h>

#include "sim/machine.h"

int main(void)
{
	enum nec_machine_accel accel = nec_machine_probe(NEC_ARCH_X86_64, NULL);

	return puts(accel == NEC_MACHINE_KVM ? "kvm" : "tcg") < 0;
}

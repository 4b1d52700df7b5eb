/**
 * The system call filter of containers: everything is allowed but what reaches into the kernel or out of the
 * namespaces. A deny list, because the processes have no capabilities and cannot gain any: the filter takes
 * away what needs none of them yet has been the door of most escapes (user namespaces, keyrings, BPF,
 * io_uring, …). The set follows what Docker's default profile refuses to a process without capabilities.
 */

const errnoPerm = 1
const errnoNoSys = 38
const errnoNoFamily = 97

/**
 * New namespaces by flag of clone(2): user namespaces would give a process a full set of capabilities inside.
 */
const cloneFlags = {
  CLONE_NEWTIME: 0x00000080,
  CLONE_NEWNS: 0x00020000,
  CLONE_NEWCGROUP: 0x02000000,
  CLONE_NEWUTS: 0x04000000,
  CLONE_NEWIPC: 0x08000000,
  CLONE_NEWUSER: 0x10000000,
  CLONE_NEWPID: 0x20000000,
  CLONE_NEWNET: 0x40000000,
} as const

/**
 * Unix, IPv4, IPv6, netlink. All others have the kernel load what no app needs, or go where no firewall is:
 * vsock leads to the hypervisor.
 */
const familiesKept = new Set([1, 2, 10, 16])
const families = Array.from({ length: 48 }, (_, family) => family).filter((each) => !familiesKept.has(each))
/** The kernel looks at the lower half of the argument alone. */
const lowerHalf = 0xffffffff

const refused = [
  'acct',
  'add_key',
  'adjtimex',
  'bpf',
  'clock_adjtime',
  'clock_settime',
  'create_module',
  'delete_module',
  'fanotify_init',
  'finit_module',
  'fsconfig',
  'fsmount',
  'fsopen',
  'fspick',
  'get_kernel_syms',
  'init_module',
  'io_uring_enter',
  'io_uring_register',
  'io_uring_setup',
  'ioperm',
  'iopl',
  'kcmp',
  'kexec_file_load',
  'kexec_load',
  'keyctl',
  'lookup_dcookie',
  'mount',
  'mount_setattr',
  'move_mount',
  'move_pages',
  'name_to_handle_at',
  'nfsservctl',
  'open_by_handle_at',
  'open_tree',
  'perf_event_open',
  'pivot_root',
  'process_vm_readv',
  'process_vm_writev',
  'query_module',
  'quotactl',
  'quotactl_fd',
  'reboot',
  'request_key',
  'setns',
  'settimeofday',
  // Sockets of any family, behind a pointer; of 32-bit programs alone, and they have had `socket` since 2015.
  'socketcall',
  'stime',
  'swapoff',
  'swapon',
  'sysfs',
  'syslog',
  'umount',
  'umount2',
  'unshare',
  'uselib',
  'userfaultfd',
  'ustat',
  'vhangup',
  'vm86',
  'vm86old',
]

/** The profile as the OCI runtime specification wants it in `linux.seccomp`. */
export const seccomp = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: process.arch === 'arm64' ? ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] : defaultArchitectures(),
  syscalls: [
    { names: refused, action: 'SCMP_ACT_ERRNO', errnoRet: errnoPerm },
    // A filter cannot look behind clone3's pointer; ENOSYS makes the C library fall back to clone.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: errnoNoSys },
    ...Object.values(cloneFlags).map((flag) => ({
      names: ['clone'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: errnoPerm,
      args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
    ...families.map((family) => ({
      names: ['socket', 'socketpair'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: errnoNoFamily,
      args: [{ index: 0, value: lowerHalf, valueTwo: family, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
  ],
}

function defaultArchitectures(): string[] {
  return ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']
}

/**
 * Launcher: gives a container's directories the container's own owner, then becomes the program that starts
 * it.
 *
 * Files on disk belong to root and are shared by many containers, each with a user id of its own. An
 * id-mapped mount (Linux 5.12, overlayfs over it 5.19) shows root's files as that user's without touching
 * them. Node cannot call mount_setattr(2); perl can, and its base package is essential on Debian and Ubuntu.
 * The mounts are made in a mount namespace of their own which only conmon and the container live in: when
 * they die, no mount is left behind.
 */

/** Exit code of a launcher that could not make the mounts; the driver then falls back to copies. */
export const mountRefusedCode = 77

/** System call numbers that differ by architecture; everything newer than 2019 has one number everywhere. */
const numbers = process.arch === 'x64' ? { unshare: 272, mount: 165 } : { unshare: 97, mount: 40 }

const script = `
use strict;
my ($uid, $root, $options, $count) = splice(@ARGV, 0, 4);
my @pairs = splice(@ARGV, 0, 2 * $count);
sub refuse { print STDERR "mount of $_[0]: $!\\n"; exit ${mountRefusedCode} }
sub id_maps {
  pipe(my $ready, my $say) or refuse('pipe'); pipe(my $hold, my $let) or refuse('pipe');
  my $pid = fork(); defined $pid or refuse('fork');
  if ($pid == 0) {
    close($let); close($ready);
    syscall(${numbers.unshare}, 0x10000000) == 0 or exit 1;
    syswrite($say, '1'); sysread($hold, my $end, 1); exit 0;
  }
  close($say); close($hold);
  sysread($ready, my $ok, 1) or refuse('user namespace');
  for my $map ('uid_map', 'gid_map') {
    open(my $file, '>', "/proc/$pid/$map") or refuse($map);
    syswrite($file, "0 $uid 1\\n") or refuse($map);
  }
  open(my $ns, '<', "/proc/$pid/ns/user") or refuse('user namespace');
  close($let); waitpid($pid, 0);
  return $ns;
}
my ($top, $none, $overlay) = ('/', '', 'overlay');
syscall(${numbers.unshare}, 0x20000) == 0 or refuse('namespace');
syscall(${numbers.mount}, $none, $top, $none, 0x84000, 0) == 0 or refuse('/');
if ($count > 0) {
  my $ns = id_maps();
  while (my ($source, $target) = splice(@pairs, 0, 2)) {
    my $tree = syscall(428, -100, $source, 0x80001);
    $tree >= 0 or refuse($source);
    my $attributes = pack('Q4', 0x100000, 0, 0, fileno($ns));
    syscall(442, $tree, $none, 0x1000, $attributes, 32) == 0 or refuse($source);
    syscall(429, $tree, $none, -100, $target, 4) == 0 or refuse($target);
  }
}
# Last: a volatile overlay cannot be mounted again on the same directories.
if ($root ne '') {
  syscall(${numbers.mount}, $overlay, $root, $overlay, 0, $options) == 0 or refuse($root);
}
exec { $ARGV[0] } @ARGV or refuse($ARGV[0]);
`

/** What to mount before the command: `root` as an overlay with these options, and the id-mapped layers. */
export type Mounts = {
  root?: { target: string; options: string }
  layers: readonly { source: string; target: string }[]
}

/**
 * Arguments for `perl` that make `mounts`, root's files in the layers owned by `uid`, then exec `command`.
 */
export const launcherArgv = (uid: number, mounts: Mounts, command: readonly string[]): string[] => [
  '-e',
  script,
  '--',
  String(uid),
  mounts.root?.target ?? '',
  mounts.root?.options ?? '',
  String(mounts.layers.length),
  ...mounts.layers.flatMap(({ source, target }) => [source, target]),
  ...command,
]

/**
 * Launcher: gives a container its disk and its directories the container's own owner, then becomes the
 * program that starts it.
 *
 * Files on disk belong to root and are shared by many containers, each with a user id of its own. An
 * id-mapped mount (Linux 5.12, overlayfs over it 5.19) shows root's files as that user's without touching
 * them. Node cannot call mount_setattr(2); perl can, and its base package is essential on Debian and Ubuntu.
 * The mounts are made in a mount namespace of their own which only conmon and the container live in: when
 * they die, no mount is left behind, and no loop device either, which goes with its last mount.
 */

/** Exit code of a launcher that could not make the mounts; the driver then falls back to copies. */
export const mountRefusedCode = 77

/** Exit code of a launcher that could not make the disk, with the reason on standard error. */
export const diskFailedCode = 78

/** System call numbers that differ by architecture; everything newer than 2019 has one number everywhere. */
const numbers = process.arch === 'x64' ? { unshare: 272, mount: 165 } : { unshare: 97, mount: 40 }

/**
 * The image is written as sparse as its template. Direct I/O, so that no page is cached twice. No barriers,
 * no lazy tables: what is on it ends with the container. Another process may take a free loop device first.
 */
const diskScript = `
sub copy_sparse {
  my ($from, $to) = @_;
  open(my $in, '<', $from) or fault($from);
  unlink($to);
  open(my $out, '+>', $to) or fault($to);
  my ($size, $at) = (-s $in, 0);
  truncate($out, $size) or fault($to);
  while ($at < $size and defined(my $data = sysseek($in, $at, 3))) {
    my $end = sysseek($in, $data, 4);
    # Where a file system knows no holes, what is zero is none the less left out.
    while ($data < $end) {
      my $count = $end - $data < 0x100000 ? $end - $data : 0x100000;
      sysseek($in, $data, 0);
      (sysread($in, my $bytes, $count) // 0) == $count or fault($from);
      sysseek($out, $data, 0);
      my $wrote = $bytes =~ tr/\\0//c ? syswrite($out, $bytes) : $count;
      defined($wrote) or fault($to);
      $wrote == $count or ($! = 28, fault($to));
      $data += $count;
    }
    $at = $end;
  }
  return $out;
}
sub attach {
  my ($file) = @_;
  my $config = pack('L2 Q5 L4 x64 x64 x32 Q2 Q8', fileno($file), 4096, (0) x 5, 0, 0, 0, 4 | 16, (0) x 10);
  open(my $control, '+<', '/dev/loop-control') or fault('/dev/loop-control');
  for (1 .. 1000) {
    defined(my $free = ioctl($control, 0x4c82, 0)) or fault('no free loop device');
    my $path = '/dev/loop' . ($free + 0);
    open(my $loop, '+<', $path) or fault($path);
    return ($path, $loop) if ioctl($loop, 0x4c0a, $config);
    $!{EBUSY} or fault($path);
    select(undef, undef, undef, rand(0.005));
  }
  fault('no free loop device');
}
sub make_disk {
  my ($template, $image, $target) = @_;
  my $file = copy_sparse($template, $image);
  my ($device, $loop) = attach($file);
  my ($type, $options) = ('ext4', 'discard,noinit_itable,barrier=0,errors=remount-ro');
  syscall(${numbers.mount}, $device, $target, $type, 0x406, $options) == 0 or fault("$image on $target");
}
`

const script = `
use strict;
use Errno;
my ($uid, $root, $options) = splice(@ARGV, 0, 3);
sub list { return splice(@ARGV, 0, shift(@ARGV)) }
my ($groups, $disk, $folders, $layers, $copies) = ([list()], [list()], [list()], [list()], [list()]);
sub refuse { print STDERR "mount of $_[0]: $!\\n"; exit ${mountRefusedCode} }
sub fault { print STDERR "the disk: $_[0]: $!\\n"; exit ${diskFailedCode} }
${diskScript}
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
for my $group (@$groups) { if (open(my $file, '>', $group)) { syswrite($file, $$) } }
my ($top, $none, $overlay) = ('/', '', 'overlay');
syscall(${numbers.unshare}, 0x20000) == 0 or refuse('namespace');
syscall(${numbers.mount}, $none, $top, $none, 0x84000, 0) == 0 or refuse('/');
make_disk(@$disk) if @$disk;
while (my ($path, $mode, $owner) = splice(@$folders, 0, 3)) {
  -d $path or mkdir($path) or fault($path);
  chown($owner, $owner, $path) and chmod(oct($mode), $path) or fault($path);
}
if (@$layers) {
  my $ns = id_maps();
  while (my ($source, $target) = splice(@$layers, 0, 2)) {
    my $tree = syscall(428, -100, $source, 0x80001);
    $tree >= 0 or refuse($source);
    my $attributes = pack('Q4', 0x100000, 0, 0, fileno($ns));
    syscall(442, $tree, $none, 0x1000, $attributes, 32) == 0 or refuse($source);
    syscall(429, $tree, $none, -100, $target, 4) == 0 or refuse($target);
  }
}
while (my ($source, $target) = splice(@$copies, 0, 2)) {
  system('cp', '-a', "$source/.", $target) == 0 or fault("a copy of $source");
  system('chown', '-R', "$uid:$uid", $target) == 0 or fault("a copy of $source");
}
# Last: a volatile overlay cannot be mounted again on the same directories.
if ($root ne '') {
  syscall(${numbers.mount}, $overlay, $root, $overlay, 0, $options) == 0 or refuse($root);
}
exec { $ARGV[0] } @ARGV or refuse($ARGV[0]);
`

/** A directory that is made for the container. `mode` is octal text. */
export type Folder = { path: string; mode: string; owner: number }

/** The file `image`, made from `template`, and where the file system in it is mounted. */
export type Disk = { template: string; image: string; target: string }

/**
 * What to make before the command: the disk, folders (on it, where there is one), id-mapped layers, layers
 * copied to be the container's own, and `root` as an overlay with these options.
 */
export type Mounts = {
  disk?: Disk
  folders: readonly Folder[]
  root?: { target: string; options: string }
  layers: readonly { source: string; target: string }[]
  copies: readonly { source: string; target: string }[]
}

/** `group` is the file of a control group to join, where there is one. */
export type Launching = { uid: number; mounts: Mounts; group: string | undefined }

/**
 * Arguments for `perl` that join the group and make the mounts, root's files in the layers owned by `uid`,
 * then exec `command`.
 */
export const launcherArgv = ({ uid, mounts, group }: Launching, command: readonly string[]): string[] => {
  const { disk, folders, root, layers, copies } = mounts
  const pair = ({ source, target }: { source: string; target: string }): string[] => [source, target]
  const lists = [
    group === undefined ? [] : [group],
    disk ? [disk.template, disk.image, disk.target] : [],
    folders.flatMap(({ path, mode, owner }) => [path, mode, String(owner)]),
    layers.flatMap(pair),
    copies.flatMap(pair),
  ]
  return [
    '-e',
    script,
    '--',
    String(uid),
    root?.target ?? '',
    root?.options ?? '',
    ...lists.flatMap((list) => [String(list.length), ...list]),
    ...command,
  ]
}

/**
 * The launcher's program, for perl: Node cannot call mount_setattr(2), setns(2) nor unshare(2), and perl's
 * base package is essential on Debian and Ubuntu. Its arguments are written down in launcher.ts.
 */

/** Exit code of a launcher that could not make the mounts; the driver then falls back to copies. */
export const mountRefusedCode = 77

/** What a waiting launcher says on the sync pipe when all is made that can be made before its order. */
export const readyLine = 'ready'

/** Exit code of a launcher that could not make the rest, with the reason on standard error. */
const failedCode = 78

/** System call numbers that differ by architecture; everything newer than 2019 has one number everywhere. */
const numbers =
  process.arch === 'x64' ? { unshare: 272, mount: 165, setns: 308 } : { unshare: 97, mount: 40, setns: 268 }

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

/**
 * The name of the network namespace is a mount too, so that runc finds it and nobody has to take it away. The
 * pair is made from inside: its other end goes to the namespace that we came from.
 */
const networkScript = `
sub ip {
  open(my $ip, '|-', 'ip', '-batch', '-') or fault('ip');
  print $ip map { "$_\\n" } @_;
  close($ip) or fault('the network');
}
sub make_network {
  my ($name, $veth, $bridge, $address, $gateway) = @_;
  open(my $home, '<', '/proc/self/ns/net') or fault('network namespace');
  my $outside = "/proc/$$/fd/" . fileno($home);
  syscall(${numbers.unshare}, 0x40000000) == 0 or fault('network namespace');
  open(my $file, '>', $name) or fault($name);
  my ($inside, $none) = ('/proc/self/ns/net', '');
  syscall(${numbers.mount}, $inside, $name, $none, 0x1000, 0) == 0 or fault($name);
  ip(
    "link add eth0 type veth peer name $veth netns $outside",
    "addr add $address dev eth0",
    'link set lo up',
    'link set eth0 up',
    "route add default via $gateway",
  );
  syscall(${numbers.setns}, fileno($home), 0x40000000) == 0 or fault('network namespace');
  ip("link set $veth master $bridge", "link set $veth type bridge_slave isolated on", "link set $veth up");
}
`

export const script = `
use strict;
use Errno;
sub list { return splice(@ARGV, 0, shift(@ARGV)) }
my ($uid, $disk, $network, $waits) = (shift(@ARGV), [list()], [list()], shift(@ARGV));
sub refuse { print STDERR "mount of $_[0]: $!\\n"; exit ${mountRefusedCode} }
sub fault { print STDERR "$_[0]: $!\\n"; exit ${failedCode} }
${diskScript}
${networkScript}
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
make_disk(@$disk) if @$disk;
make_network(@$network) if @$network;
my $ns;
if ($waits) {
  $ns = id_maps();
  open(my $sync, '>&', 3) or fault('sync pipe');
  syswrite($sync, "${readyLine}\\n");
  # Whoever ends before it has said everything wants nothing.
  defined(my $bytes = <STDIN>) or exit 0;
  read(STDIN, my $said, $bytes) == $bytes or exit 0;
  @ARGV = split(/\\0/, $said, -1);
  open(STDIN, '<', '/dev/null') or fault('/dev/null');
}
for my $group (list()) { if (open(my $file, '>', $group)) { syswrite($file, $$) } }
my ($root, $options, $folders, $layers, $copies) = (splice(@ARGV, 0, 2), [list()], [list()], [list()]);
while (my ($path, $mode, $owner) = splice(@$folders, 0, 3)) {
  -d $path or mkdir($path) or fault($path);
  chown($owner, $owner, $path) and chmod(oct($mode), $path) or fault($path);
}
if (@$layers) {
  $ns //= id_maps();
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

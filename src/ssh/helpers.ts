/**
 * Helpers: programs run inside a container in place of a command, which speak on their standard streams what
 * is then passed on to the client as it is. Perl, whose base package is essential on Debian and Ubuntu.
 *
 * They run as the container's own user in its own namespaces: what they can read or reach is what it can, and
 * nobody outside takes their word for anything.
 */

/** SFTP version 3, for reading alone: what `sftp`, `scp` and libraries use to fetch a file. */
const files = `
use strict; use warnings; no warnings 'portable'; use Errno; use Fcntl; use Cwd ();
binmode STDIN; binmode STDOUT;
my ($next, %open) = (0);
my ($requests_max, $open_max, $read_max) = (256 * 1024, 64, 64 * 1024);
sub take {
  my ($length) = @_; my $bytes = '';
  while (length $bytes < $length) {
    my $n = sysread(STDIN, $bytes, $length - length $bytes, length $bytes);
    exit 0 unless $n;
  }
  return $bytes;
}
sub give {
  my $bytes = pack('N/a*', join '', @_); my $at = 0;
  while ($at < length $bytes) {
    my $n = syswrite(STDOUT, $bytes, length($bytes) - $at, $at);
    defined $n or exit 1; $at += $n;
  }
}
sub status { my ($id, $code, $text) = @_; give(pack('CNNN/a*N/a*', 101, $id, $code, $text, '')) }
sub failed {
  my ($id) = @_; my $why = "$!";
  status($id, $!{ENOENT} || $!{ENOTDIR} ? 2 : $!{EACCES} || $!{EPERM} ? 3 : 4, $why);
}
sub attributes {
  my ($id, @s) = @_; return failed($id) unless @s;
  give(pack('CNNQ>NNNNN', 105, $id, 15, $s[7], $s[4], $s[5], $s[2], $s[8] & 0xffffffff, $s[9] & 0xffffffff));
}
while (1) {
  my $length = unpack('N', take(4)); exit 1 if $length < 1 || $length > $requests_max;
  my ($type, $rest) = unpack('Ca*', take($length));
  if ($type == 1) { give(pack('CN', 2, 3)); next }
  my ($id, $name, $more) = unpack('NN/a*a*', $rest);
  my $file = $open{$name};
  if ($type == 3) {
    if (unpack('N', $more) != 1) { status($id, 3, 'files can only be read'); next }
    if (keys %open >= $open_max) { status($id, 4, 'too many open files'); next }
    # A pipe without a writer would hold it up for ever.
    if (!sysopen(my $handle, $name, O_RDONLY | O_NONBLOCK | O_NOCTTY)) { failed($id) }
    else { $open{++$next} = $handle; give(pack('CNN/a*', 102, $id, $next)) }
  } elsif ($type == 17) { attributes($id, stat $name) }
  elsif ($type == 7) { attributes($id, lstat $name) }
  elsif ($type == 16) {
    my $path = eval { Cwd::realpath($name eq '' ? '.' : $name) };
    defined $path ? give(pack('CNNN/a*N/a*N', 104, $id, 1, $path, $path, 0)) : failed($id);
  } elsif ($type == 4 || $type == 5 || $type == 8) {
    if (!$file) { status($id, 4, 'no such handle') }
    elsif ($type == 4) { delete $open{$name}; status($id, 0, '') }
    elsif ($type == 8) { attributes($id, stat $file) }
    else {
      my ($offset, $want) = unpack('Q>N', $more); my $bytes = '';
      $want = $read_max if $want > $read_max;
      my $n = defined sysseek($file, $offset, 0) ? sysread($file, $bytes, $want) : undef;
      if (!defined $n) { failed($id) } elsif ($n == 0) { status($id, 1, 'end of file') }
      else { give(pack('CNN/a*', 103, $id, $bytes)) }
    }
  } else { status($id, 8, 'files can only be read') }
}
`

/** A connection to a port of its own loopback: `+` once there is one, `-` when there is none; then bytes. */
const loopback = `
use strict; use warnings; use Socket qw(:DEFAULT inet_pton AF_INET6 pack_sockaddr_in pack_sockaddr_in6);
my ($port) = @ARGV; my $socket;
for my $to ([AF_INET, pack_sockaddr_in($port, INADDR_LOOPBACK)], [AF_INET6, pack_sockaddr_in6($port, inet_pton(AF_INET6, '::1'))]) {
  my $tried;
  socket($tried, $to->[0], SOCK_STREAM, 0) && connect($tried, $to->[1]) or next;
  $socket = $tried; last;
}
$SIG{PIPE} = 'IGNORE';
if (!$socket) { syswrite(STDOUT, '-'); exit 1 }
syswrite(STDOUT, '+');
sub copy {
  my ($from, $to) = @_; my $bytes;
  while (sysread($from, $bytes, 65536)) {
    for (my $at = 0; $at < length $bytes;) {
      my $n = syswrite($to, $bytes, length($bytes) - $at, $at);
      return unless defined $n; $at += $n;
    }
  }
}
my $child = fork(); defined $child or exit 1;
if ($child == 0) { copy(*STDIN, $socket); shutdown($socket, 1); exit 0 }
copy($socket, *STDOUT);
close(STDOUT); kill('KILL', $child); waitpid($child, 0);
`

export const filesArgv: readonly string[] = ['perl', '-e', files]
export const loopbackArgv = (port: number): readonly string[] => ['perl', '-e', loopback, String(port)]
/** What comes first of a connection that could be made. */
export const connectedByte = '+'.charCodeAt(0)

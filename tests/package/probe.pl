# Runs under the unit's own sandbox in the machine of tests/package/vm: what media workers and the clock need is allowed, what nobody
# needs is not. Numbers of x86-64.
use strict;
use warnings;
use Errno qw(EPERM EACCES);
use Socket;

my @wrong;

# allowed NAME, RESULT: an error is fine as long as it is not the sandbox's.
sub allowed {
    my ($name, $result) = @_;
    push @wrong, "$name is refused: $!" if $result == -1 && ($! == EPERM || $! == EACCES);
}

my $name = "probe\0";
allowed("memfd_create", syscall(319, $name, 0));
my $kill = pack("L", 0x80000000);
allowed("seccomp", syscall(317, 2, 0, $kill));
allowed("landlock_create_ruleset", syscall(444, 0, 0, 1));
my $limit = pack("QQ", 64, 64);
allowed("prlimit64", syscall(302, 0, 7, $limit, 0));
my $state = "\0" x 256;
allowed("adjtimex, to ask", syscall(159, $state));
my $set = pack("L", 1) . "\0" x 252;
push @wrong, "the clock could be set" if syscall(159, $set) != -1;
push @wrong, "no socketpair" unless socketpair(my $one, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC);
my $udp;
push @wrong, "no UDP" unless socket($udp, PF_INET, SOCK_DGRAM, 0) && bind($udp, sockaddr_in(0, INADDR_ANY));
push @wrong, "no boot id" unless open(my $boot, "<", "/proc/sys/kernel/random/boot_id");
push @wrong, "the program cannot be started as a worker" if system("/usr/bin/gridwatch", "--version") != 0;
push @wrong, "a file in /usr could be written" if open(my $file, ">", "/usr/probe");
push @wrong, "a packet socket" if socket(my $packet, 17, SOCK_RAW, 0);
push @wrong, "ptrace" if syscall(101, 0, 0, 0, 0) != -1;

print STDERR "$_\n" for @wrong;
exit(@wrong ? 1 : 0);

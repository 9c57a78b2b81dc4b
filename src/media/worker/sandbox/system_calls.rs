//! System calls, by seccomp: what reading a network, decoding and their threads need, and no more. Others
//! fail with `EPERM`, so that a library that only asks goes on without.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};

/// Without a look at their arguments.
const PLAIN: &[i64] = &[
    // Files that are open, and those that Landlock leaves.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_openat,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fadvise64,
    // Memory; what could make code of data is below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_futex,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    // Sockets; which kinds, is below.
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
];

/// What newer architectures have no longer.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[i64] = &[];

/// For every thread of this process, and all that it may start.
pub(super) fn give_up() -> Result<(), Error> {
    filters()?.iter().try_for_each(|filter| apply_filter_all_threads(filter))
}

/// In the order in which they are to be applied.
fn filters() -> Result<[BpfProgram; 2], Error> {
    let target = ARCH.try_into()?;
    let refusing = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    // glibc falls back to `clone`, whose flags a filter can read, only if this is unknown to the kernel.
    let no_clone3: BpfProgram =
        SeccompFilter::new([(libc::SYS_clone3, vec![])].into(), SeccompAction::Allow, refusing(libc::ENOSYS), target)?
            .try_into()?;
    let allowed: BpfProgram =
        SeccompFilter::new(allowed()?, refusing(libc::EPERM), SeccompAction::Allow, target)?.try_into()?;
    Ok([no_clone3, allowed])
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = PLAIN.iter().chain(OLD).map(|call| (*call, vec![])).collect();
    let without = |argument: u8, bits: i32| {
        let bits = u64::from(bits.unsigned_abs());
        one(argument, SeccompCmpOp::MaskedEq(bits), 0)
    };
    // Nothing that can be written can be run.
    rules.insert(libc::SYS_mmap, vec![without(2, libc::PROT_EXEC)?, without(2, libc::PROT_WRITE)?]);
    rules.insert(libc::SYS_mprotect, vec![without(2, libc::PROT_EXEC)?]);
    // Threads, not processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(libc::SYS_clone, vec![one(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    let families = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK];
    rules.insert(libc::SYS_socket, equal_to(0, families.map(i64::from))?);
    rules.insert(libc::SYS_ioctl, equal_to(1, [libc::FIONREAD, libc::FIONBIO, libc::TCGETS].map(as_number))?);
    rules.insert(libc::SYS_prctl, equal_to(0, [libc::PR_SET_NAME, libc::PR_GET_NAME, PR_SET_VMA].map(i64::from))?);
    // Limits are read, not set.
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?])?],
    );
    Ok(rules)
}

/// glibc names its memory, if the kernel can.
const PR_SET_VMA: i32 = 0x5356_4d41;

fn as_number(request: libc::Ioctl) -> i64 {
    i64::try_from(request).unwrap_or_default()
}

fn equal_to<const N: usize>(argument: u8, values: [i64; N]) -> Result<Vec<SeccompRule>, Error> {
    values.into_iter().map(|value| one(argument, SeccompCmpOp::Eq, value.unsigned_abs())).collect()
}

fn one(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])?)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_thread_goes_on_with_sockets_and_threads_and_starts_no_program() {
        let work = || {
            for filter in filters().expect("filters") {
                seccompiler::apply_filter(&filter).expect("a kernel with seccomp");
            }
            let listener = TcpListener::bind("127.0.0.1:0");
            assert_eq!(listener.expect_err("nobody may call").kind(), ErrorKind::PermissionDenied);
            drop(TcpStream::connect("127.0.0.1:1").expect_err("nobody listens"));
            assert!(std::thread::spawn(|| vec![1_u8; 1 << 20].len()).join().is_ok());
            let started = std::process::Command::new("/bin/true").spawn();
            assert_eq!(started.expect_err("no program").kind(), ErrorKind::PermissionDenied);
            assert!(rustix::process::setrlimit(LIMIT, rustix::process::getrlimit(LIMIT)).is_err());
        };
        std::thread::spawn(work).join().expect("the thread lives");
    }

    const LIMIT: rustix::process::Resource = rustix::process::Resource::Nofile;
}

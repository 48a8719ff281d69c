//! What another process has used, by the kernel's own count.

use std::fs;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// CPU nanoseconds of a process: all its threads, those that have ended too.
pub fn cpu_ns(pid: i32) -> Result<u64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid))
        .with_context(|| format!("process {pid} has no CPU clock: has it ended?"))?;
    now(clock)
}

/// CPU nanoseconds of this process.
pub fn own_cpu_ns() -> Result<u64> {
    now(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn now(clock: ClockId) -> Result<u64> {
    let time = clock_gettime(clock)?;
    Ok(u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?)
}

/// Resident memory now, in KB.
pub fn resident_kb(pid: i32) -> Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
}

/// The most that was resident since the process began or [`forget_peak`].
pub fn peak_kb(pid: i32) -> Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmHWM:")
}

pub fn forget_peak(pid: i32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("the peak cannot be reset")
}

fn field(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.with_context(|| format!("{file} has no {name}"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

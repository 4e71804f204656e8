//! What a child may use up. Set on the child right after its start, and inherited by all that it
//! starts itself.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// None means: as this process itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that it may write.
    pub file_bytes: Option<u64>,
    /// CPU time of each process of the child.
    pub cpu_secs: Option<u64>,
    pub open_files: Option<u64>,
}

impl Limits {
    /// Also forbids core dumps, always: they would hold what the child knew.
    pub(crate) fn apply(&self, pid: Pid) -> io::Result<()> {
        set(pid, Resource::Core, Some(0))?;
        set(pid, Resource::Fsize, self.file_bytes)?;
        set(pid, Resource::Cpu, self.cpu_secs)?;
        set(pid, Resource::Nofile, self.open_files)
    }
}

fn set(pid: Pid, resource: Resource, wanted: Option<u64>) -> io::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    // A limit may only be lowered, and the child has ours.
    let limit = Some(getrlimit(resource).maximum.map_or(wanted, |ours| ours.min(wanted)));
    prlimit(Some(pid), resource, Rlimit { current: limit, maximum: limit })?;
    Ok(())
}

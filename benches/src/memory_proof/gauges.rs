//! What the process holds: by its own gauges, and as the operating system sees it.

use anyhow::Context;
use straum_state::{MemoryBudget, MemoryPart};

const PARTS: [(MemoryPart, &str); 5] = [
    (MemoryPart::BlockCache, "block cache"),
    (MemoryPart::WriteBuffers, "write buffers"),
    (MemoryPart::Overlays, "overlays"),
    (MemoryPart::Queues, "queues"),
    (MemoryPart::Clients, "clients"),
];

/// Bytes by part, and in all, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    parts: [u64; PARTS.len()],
    /// Bytes in all, as the budget says.
    pub total: u64,
}

impl Gauges {
    /// Reads them, one after the other: they move meanwhile.
    #[must_use]
    pub fn read(budget: &MemoryBudget) -> Self {
        Self { parts: PARTS.map(|(part, _)| budget.used(part)), total: budget.total() }
    }

    /// Whether the parts add up to the total, give or take what moved between two looks.
    #[must_use]
    pub fn add_up(&self, moved: u64) -> bool {
        self.parts.iter().sum::<u64>().abs_diff(self.total) <= moved
    }

    /// The larger of each part.
    #[must_use]
    pub fn peak(self, other: Self) -> Self {
        let mut peak = self;
        for (part, other) in peak.parts.iter_mut().zip(other.parts) {
            *part = other.max(*part);
        }
        peak.total = peak.total.max(other.total);
        peak
    }

    /// Each part by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PARTS.iter().map(|(_, name)| *name).zip(self.parts)
    }
}

/// Resident bytes of this process: now, and the most there ever were.
///
/// # Errors
/// When the operating system does not tell.
pub fn resident() -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in /proc/self/status"))?;
        let kib: u64 = line.split_whitespace().next().context("no number")?.parse()?;
        Ok(kib * 1024)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_add_up_and_a_total_that_forgets_one_is_found() {
        let budget = MemoryBudget::new(1 << 20);
        let mut charge = budget.charge(MemoryPart::Queues);
        charge.set(1234);
        let gauges = Gauges::read(&budget);
        assert!(gauges.add_up(0) && gauges.total >= 1234, "{gauges:?}");
        assert!(!Gauges { total: gauges.total - 1234, ..gauges }.add_up(1000));
        let (now, peak) = resident().unwrap();
        assert!(now > 0 && peak >= now);
    }
}

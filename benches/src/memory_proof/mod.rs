//! The memory proof: many distinct keys through `count`, in many tasks, within a small budget.
//!
//! The whole process is judged: its largest resident size, as the operating system saw it, may exceed the budget by the
//! slack and no more. Input is produced in step with processing and deleted once it is committed, so that what is measured
//! is the application and not a backlog. What was counted is checked too: a process that forgets its keys is small.

pub mod files;
pub mod gauges;
pub mod keys;
pub mod proof;
pub mod report;
pub mod topology;

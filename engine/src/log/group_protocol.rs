//! Who hands out an application's tasks: what an application is told to use, and a log says that it does.

/// Who hands out an application's tasks. Kafka Streams: `group.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// `streams`, the default: the group's broker (KIP-1071), to all instances. Kafka 4.2 or later with `streams.version` 1.
    Streams,
    /// `classic`: the group's leader, a member as the others are, to all instances. For brokers that know no streams groups:
    /// Kafka 2.5 or later.
    ///
    /// The fallback, and less than [`GroupProtocol::Streams`]: there are no standby tasks; nothing is sticky, so a restart or
    /// another instance may move any task, and an instance that closes always leaves; and every rebalance pauses the whole
    /// application, since each thread commits and closes all its tasks before any begins again. When a source topic gets more
    /// partitions, all instances are to be started again.
    ///
    /// Kafka Streams' own `classic` has an assignor for tasks; its members cannot be in one group with these.
    Classic,
    /// `fixed`, Straum's own: nobody. One process runs all of them, on any broker. A second process of the same application
    /// would process everything again.
    Fixed,
}

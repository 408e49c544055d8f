//! The input: every key once, then changes of keys in no order for as long as it is asked for.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use straum::log::kafka::KafkaLog;
use straum::log::{HeaderView, Log, OutputBatch, Producer, ProducerOptions};

use super::{PARTITIONS, VALUE_BYTES, input};
use crate::going::Going;

const BEAT: Duration = Duration::from_millis(10);
const A_BATCH: u64 = 1000;

/// 26 bytes, and in no order: as ids are.
fn key(number: u64) -> String {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    format!("{mixed:016x}-{number:09}")
}

/// A value that is hard to compress, so that a state is as large as it is said to be.
fn value(number: u64, change: u64, value: &mut [u8; VALUE_BYTES]) {
    let mut state = number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ change.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for chunk in value.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes());
    }
}

struct Sender {
    producer: Box<dyn Producer>,
    batch: OutputBatch,
    topic: u32,
    value: [u8; VALUE_BYTES],
}

impl Sender {
    fn new(log: &KafkaLog, application: &str) -> anyhow::Result<Self> {
        let timeout = Duration::from_secs(600);
        let options = ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: timeout };
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&input(application).into());
        Ok(Self { producer: log.producer(&options)?, batch, topic, value: [0; VALUE_BYTES] })
    }

    fn push(&mut self, number: u64, change: u64) -> anyhow::Result<()> {
        value(number, change, &mut self.value);
        let partition = u32::try_from(number % u64::from(PARTITIONS))?;
        self.batch.push(self.topic, partition, 1_000, Some(key(number).as_bytes()), Some(&self.value), HeaderView::new(&[]));
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        self.producer.send(&self.batch)?;
        self.batch.clear();
        Ok(())
    }
}

/// Sends every key once.
///
/// # Errors
/// When the broker does not take it.
pub fn fill(log: &KafkaLog, application: &str, keys: u64) -> anyhow::Result<()> {
    let mut sender = Sender::new(log, application)?;
    for number in 0..keys {
        sender.push(number, 0)?;
        if number % A_BATCH == A_BATCH - 1 {
            sender.send()?;
        }
    }
    sender.send()?;
    Ok(sender.producer.flush()?)
}

/// Changes keys at a steady rate until it is stopped.
#[derive(Debug)]
pub struct Feeder(Going);

impl Feeder {
    /// Begins to send so many records a second.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn start(log: &KafkaLog, application: &str, keys: u64, rate: u64) -> anyhow::Result<Self> {
        let mut sender = Sender::new(log, application)?;
        let going = Going::start("feeder", move |stop| {
            let began = Instant::now();
            let mut sent = 0;
            while !stop.load(Ordering::Acquire) {
                let due = u64::try_from(began.elapsed().as_millis())? * rate / 1000;
                for change in sent..due {
                    sender.push(change.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys, change + 1)?;
                }
                sent = due;
                sender.send()?;
                std::thread::sleep(BEAT);
            }
            Ok(sender.producer.flush()?)
        })?;
        Ok(Self(going))
    }

    /// Stops.
    ///
    /// # Errors
    /// When the input failed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.0.stop()
    }
}

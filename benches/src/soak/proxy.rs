//! A TCP proxy between an instance and the broker, which can cut every connection it carries.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;

/// Below the range that Linux hands to outgoing connections, so that none of them takes a port during a restart.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// A proxy to one port of this machine. It runs until the process ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Each with its two ends.
    connections: Mutex<Vec<[TcpStream; 2]>>,
    down: AtomicBool,
    /// What the broker says is swallowed.
    deaf: AtomicBool,
}

impl Line {
    fn connections(&self) -> MutexGuard<'_, Vec<[TcpStream; 2]>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on a free port, and connects whoever comes to port `to`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(to: u16) -> anyhow::Result<Self> {
        let listener = free_listener()?;
        let port = listener.local_addr()?.port();
        let line = Arc::new(Line::default());
        let accepting = Arc::clone(&line);
        std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            for client in listener.incoming().flatten() {
                // Who cannot be connected finds the connection closed, as with a broker that is away.
                let _ = carry(client, to, &accepting);
            }
        })?;
        Ok(Self { port, line })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections, and lets nobody connect for a while. How many were cut.
    pub fn cut(&self, silence: Duration) -> usize {
        self.line.down.store(true, Ordering::Release);
        // Once one end is shut, the threads that carry it may be the first to shut the other.
        let shut = |[client, broker]: &[TcpStream; 2]| client.shutdown(Shutdown::Both).is_ok() | broker.shutdown(Shutdown::Both).is_ok();
        let cut = self.line.connections().drain(..).filter(shut).count();
        std::thread::sleep(silence);
        self.line.down.store(false, Ordering::Release);
        cut
    }
}

impl Proxy {
    /// Swallows what the broker says for a while, then cuts all connections: what was sent arrives, and nobody hears of it.
    pub fn lose_answers(&self, silence: Duration) {
        self.line.deaf.store(true, Ordering::Release);
        std::thread::sleep(silence);
        self.cut(Duration::ZERO);
        self.line.deaf.store(false, Ordering::Release);
    }
}

fn pass(mut from: &TcpStream, mut into: &TcpStream, deaf: Option<&AtomicBool>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        if !deaf.is_some_and(|deaf| deaf.load(Ordering::Acquire)) {
            into.write_all(bytes)?;
        }
    }
}

fn carry(client: TcpStream, to: u16, line: &Arc<Line>) -> io::Result<()> {
    if line.down.load(Ordering::Acquire) {
        return Ok(());
    }
    let broker = TcpStream::connect(("127.0.0.1", to))?;
    for end in [&client, &broker] {
        end.set_nodelay(true)?;
    }
    let mut connections = line.connections();
    // Ends that are closed are let go of.
    connections.retain(|ends| ends.iter().all(|end| end.peer_addr().is_ok()));
    connections.push([client.try_clone()?, broker.try_clone()?]);
    drop(connections);
    for (from, into, answers) in [(client.try_clone()?, broker.try_clone()?, false), (broker, client, true)] {
        let line = Arc::clone(line);
        std::thread::Builder::new().name("proxied".to_owned()).spawn(move || {
            let _ = pass(&from, &into, answers.then_some(&line.deaf));
            let _ = from.shutdown(Shutdown::Both);
            let _ = into.shutdown(Shutdown::Both);
        })?;
    }
    Ok(())
}

/// A port that nobody listens on at the moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(free_listener()?.local_addr()?.port())
}

fn free_listener() -> anyhow::Result<TcpListener> {
    let attempts = (0..200_u32).map(|_| {
        let random = uuid::Uuid::new_v4().as_u64_pair().0 as u32;
        PORTS.start + random % (PORTS.end - PORTS.start)
    });
    let mut listeners = attempts.filter_map(|port| TcpListener::bind(("127.0.0.1", u16::try_from(port).ok()?)).ok());
    listeners.next().context("no free port found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_until_the_line_is_cut() -> anyhow::Result<()> {
        let echo = free_listener()?;
        let proxy = Proxy::start(echo.local_addr()?.port())?;
        std::thread::spawn(move || {
            for connection in echo.incoming().flatten() {
                let _ = connection.try_clone().map(|mut from| io::copy(&mut from, &mut &connection));
            }
        });
        let mut talk = TcpStream::connect(("127.0.0.1", proxy.port()))?;
        talk.write_all(b"hello")?;
        let mut heard = [0; 5];
        talk.read_exact(&mut heard)?;
        assert_eq!(&heard, b"hello");
        assert_eq!(proxy.cut(Duration::ZERO), 1);
        assert_eq!(talk.read(&mut heard).unwrap_or(0), 0);
        Ok(())
    }
}

//! The folder of an application's state: one process at a time, and an identity that outlives it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::topology::TaskId;

/// `<state.dir>/<application.id>`, locked.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    process_id: Uuid,
    /// The operating system lets go of the lock when the process ends, however it ends.
    _lock: File,
}

impl StateDirectory {
    /// Makes the folder if need be, locks it, and reads or makes the process id.
    pub(crate) fn open(state_dir: &Path, application: &str) -> Result<Self, Error> {
        let path = state_dir.join(application);
        let failed = |what: &str, error: std::io::Error| Error::new(ErrorKind::State, format!("cannot {what} {}", path.display())).with_source(error);
        fs::create_dir_all(&path).map_err(|error| failed("create folder", error))?;
        let lock_path = path.join(".lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| failed("open the lock of", error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // Who holds it is told as well as it can be.
            let _ = lock.read_to_string(&mut holder);
            let holder = holder.trim();
            let message = format!("folder {} is in use by process {holder}, expected one process an application id and state.dir", path.display());
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|error| failed("write the lock of", error))?;
        let process_id = identity(&path, "process-id").map_err(|error| failed("read or write the process id in", error))?;
        Ok(Self { path, process_id, _lock: lock })
    }

    pub(crate) fn process_id(&self) -> Uuid {
        self.process_id
    }

    /// The id of a stream thread's member of the group. It is kept, so that a restart gets its tasks back.
    pub(crate) fn member_id(&self, thread: usize) -> Result<Uuid, Error> {
        let name = format!("member-id-{}", thread + 1);
        identity(&self.path, &name)
            .map_err(|error| Error::new(ErrorKind::State, format!("cannot read or write {name} in {}", self.path.display())).with_source(error))
    }

    pub(crate) fn task(&self, task: TaskId) -> PathBuf {
        self.path.join(task.to_string())
    }

    /// The tasks that have a folder.
    pub(crate) fn tasks(&self) -> Result<Vec<TaskId>, Error> {
        let failed = |error| Error::new(ErrorKind::State, format!("cannot list {}", self.path.display())).with_source(error);
        let entries = fs::read_dir(&self.path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        Ok(entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// Removes a task's folder, with whatever is still in it.
    pub(crate) fn remove(&self, task: TaskId) -> Result<(), Error> {
        let path = self.task(task);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != IoErrorKind::NotFound => {
                Err(Error::new(ErrorKind::State, format!("cannot delete {}", path.display())).with_source(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn global(&self) -> PathBuf {
        self.path.join("global")
    }
}

/// The id in the file `name`, made at the first time.
fn identity(folder: &Path, name: &str) -> std::io::Result<Uuid> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => {
            if let Ok(id) = text.trim().parse() {
                return Ok(id);
            }
        }
        Err(error) if error.kind() == IoErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = Uuid::new_v4();
    let temporary = folder.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    write!(file, "{id}")?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    Ok(id)
}

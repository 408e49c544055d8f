//! The folder of a running topology: its log, its state, which topology it is, and where its process listens.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use straum_topologies::registry::Settings;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
}

/// Which topology the folder is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Occupant {
    pub(super) topology: String,
    pub(super) settings: Settings,
    /// The cluster it runs on; none for the log in the folder.
    #[serde(default)]
    pub(super) brokers: Option<String>,
}

/// Where the process that runs on the folder listens, and what it wants to hear. Readable by the owner alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listening {
    pub(super) port: u16,
    pub(super) token: String,
    pub(super) process: u32,
}

impl DataFolder {
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self { path: path.map_or_else(|| PathBuf::from("straum-data"), Path::to_owned) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// True when something has run on it.
    pub(super) fn exists(&self) -> bool {
        self.log().is_dir() || self.path.join("topology.json").is_file()
    }

    pub(super) fn occupant(&self) -> Result<Option<Occupant>> {
        read(&self.path.join("topology.json"))
    }

    /// The settings a topology last ran with here; none when it has not.
    pub(super) fn settings_of(&self, topology: &str) -> Result<Settings> {
        Ok(self.occupant()?.filter(|occupant| occupant.topology == topology).map_or_else(Settings::new, |found| found.settings))
    }

    pub(super) fn occupy(&self, occupant: &Occupant) -> Result<()> {
        fs::create_dir_all(&self.path).with_context(|| format!("cannot make the folder {}", self.path.display()))?;
        write(&self.path.join("topology.json"), occupant)
    }

    pub(super) fn listening(&self) -> Result<Option<Listening>> {
        read(&self.path.join("process.json"))
    }

    pub(super) fn listen(&self, listening: &Listening) -> Result<()> {
        write(&self.path.join("process.json"), listening)
    }

    pub(super) fn silence(&self) {
        // A file that stays behind names a process that does not answer, which is noticed.
        let _ = fs::remove_file(self.path.join("process.json"));
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => {
            Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is not what straum wrote; delete it and try again", path.display()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let written = || {
        let new = path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

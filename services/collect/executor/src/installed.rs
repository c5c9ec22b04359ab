//! A release on this host: what is known of it since it was installed, and its hooks.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};

use loki_domain::{PackageId, PackageName};
use loki_wire::fact::v1::deploy::Manifest;
use serde::{Deserialize, Serialize};

use crate::course::{Course, Halt};
use crate::durable;
use crate::hook::{Hook, run_once};
use crate::layout::Place;
use crate::task::Release;
use crate::unit;
use crate::user::User;

#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) place: Place,
    name: PackageName,
    pub(crate) id: PackageId,
    pub(crate) known: Known,
}

/// Stays on disk for as long as the release does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) version: String,
    pub(crate) manifest: Manifest,
    pub(crate) is_good: bool,
    /// When it last became the one that serves.
    pub(crate) served_ms: i64,
}

impl Known {
    pub(crate) fn read(place: &Place, id: PackageId) -> io::Result<Option<Self>> {
        durable::read_json(&place.remembered().join(format!("{id}.json")))
    }

    pub(crate) fn forget(place: &Place, id: PackageId) -> io::Result<()> {
        durable::remove(&place.remembered().join(format!("{id}.json")))
    }
}

impl Installed {
    /// The one that a document wants, not known to be good.
    pub(crate) fn wanted(place: &Place, release: &Release) -> Self {
        let known = Known { version: release.version.to_string(), manifest: release.manifest.clone(), is_good: false, served_ms: 0 };
        Self { place: place.clone(), name: release.name.clone(), id: release.id, known }
    }

    /// One that was installed before. Of one that nothing is known of, nothing can be asked.
    pub(crate) fn before(place: &Place, name: &PackageName, id: PackageId) -> io::Result<Self> {
        let known = Known::read(place, id)?.unwrap_or_else(|| {
            tracing::warn!(package = %name, release = %id, "nothing is known of how this release is started and stopped");
            let manifest = Manifest { hooks: BTreeMap::new(), user: None, unit: None, health: None };
            Known { version: id.to_string(), manifest, is_good: false, served_ms: 0 }
        });
        Ok(Self { place: place.clone(), name: name.clone(), id, known })
    }

    pub(crate) fn remember(&self) -> io::Result<()> {
        durable::write_json(&self.place.remembered().join(format!("{}.json", self.id)), &self.known)
    }

    /// Runs one of its hooks, if it has that, under a name that is unique in the task.
    pub(crate) async fn hook(&self, course: &Course<'_>, name: &str, key: &str) -> Result<(), Halt> {
        let Some(command) = self.known.manifest.hooks.get(name) else { return Ok(()) };
        let user = self.user().await?;
        let hook = Hook {
            key,
            command,
            folder: &self.place.release(self.id),
            user: &user,
            environment: &self.environment(course),
            output_bytes_max: course.shared.config.output_bytes_max,
        };
        run_once(course, &hook).await
    }

    /// Starts or stops it: its unit, where it has one and this host has systemd; else by its hook.
    pub(crate) async fn tell(&self, course: &Course<'_>, verb: &str, key: &str) -> Result<(), Halt> {
        match self.known.manifest.unit.as_deref().filter(|_| unit::is_there(&course.shared.config)) {
            Some(unit) => unit::tell(course, verb, unit).await,
            None => self.hook(course, verb, key).await,
        }
    }

    pub(crate) async fn user(&self) -> Result<User, Halt> {
        User::named(self.known.manifest.user.as_deref()).await.map_err(Halt::Failed)
    }

    pub(crate) fn environment(&self, course: &Course<'_>) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("LOKI_PACKAGE", self.name.to_string()),
            ("LOKI_VERSION", self.known.version.clone()),
            ("LOKI_RELEASE", self.id.to_string()),
            ("LOKI_RELEASE_DIR", self.place.release(self.id).display().to_string()),
            ("LOKI_SHARED_DIR", self.place.shared().display().to_string()),
            ("LOKI_RUN", course.task.run.to_string()),
            ("LOKI_SERVER", course.shared.config.server.to_string()),
        ])
    }

    /// What all releases have in common belongs to who runs their hooks, unless somebody has given it to another. Where a link leads is not ours.
    pub(crate) async fn own_shared(&self) -> Result<(), Halt> {
        if let Some(id) = self.user().await?.other {
            let shared = self.place.shared();
            let found = shared.symlink_metadata()?;
            if !found.is_symlink() && found.uid() == rustix::process::geteuid().as_raw() {
                chown(shared, Some(id.uid), Some(id.gid))?;
            }
        }
        Ok(())
    }
}

//! Units of systemd. To start what runs, or to stop what does not, has no effect: so this may be repeated.

use tokio::process::Command;

use crate::config::Config;
use crate::course::{Course, Halt};
use crate::task::line;

pub(crate) fn is_there(config: &Config) -> bool {
    config.systemd.is_dir()
}

/// `start` or `stop`, within the task's time.
pub(crate) async fn tell(course: &Course<'_>, verb: &str, unit: &str) -> Result<(), Halt> {
    let failed = |why: &str| format!("`systemctl {verb} {unit}` {why}");
    if verb == "start" {
        // of a unit that crashed too often, systemd refuses the start until then; one that has not failed, or is not known yet, refuses this
        course.within(async { Ok(systemctl(course, "reset-failed", unit).output().await.ok()) }).await?;
    }
    let telling = async { systemctl(course, verb, unit).output().await.map_err(|error| failed(&format!("cannot be run: {error}"))) };
    let output = course.within(telling).await?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Halt::Failed(failed(&format!("has failed: {}", line(&String::from_utf8_lossy(&output.stderr), 120))))),
    }
}

fn systemctl(course: &Course<'_>, verb: &str, unit: &str) -> Command {
    let mut command = Command::new(&course.shared.config.systemctl);
    command.args([verb, "--", unit]).kill_on_drop(true);
    command
}

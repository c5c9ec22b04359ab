//! The order of a deploy's steps. Each is entered once, or once more where the agent was ended in it, and none after the next has begun.

use std::io;

use loki_domain::PackageName;

use crate::course::{Course, Halt};
use crate::executor::Shared;
use crate::fetch::fetch;
use crate::installed::{Installed, Known};
use crate::layout::Place;
use crate::task::{Release, Step};
use crate::unpack::unpack;
use crate::{durable, health, prune};

/// Whether it serves already, and is known to be good.
pub(crate) fn is_there(shared: &Shared, wanted: &Release) -> io::Result<bool> {
    let place = shared.layout.package(&wanted.name);
    let is_current = place.current()? == Some(wanted.id) && place.release(wanted.id).is_dir();
    Ok(is_current && Known::read(&place, wanted.id)?.is_some_and(|known| known.is_good))
}

/// Makes this release the one that serves.
pub(crate) async fn carry_out(course: &mut Course<'_>, wanted: &Release) -> Result<(), Halt> {
    let place = course.shared.layout.package(&wanted.name);
    let mut new = Installed::wanted(&place, wanted);
    if course.progress.is_there {
        course.enter(Step::Health)?;
        return health::passes(course, &new).await;
    }
    if course.progress.at.is_some_and(|at| at > Step::Switch) && place.current()? != Some(wanted.id) {
        // it had failed, which could not be written down
        return Err(Halt::failed("another release serves than this task had switched to"));
    }
    let before = course.progress.before();
    let old = before.map(|id| Installed::before(&place, &wanted.name, id)).transpose()?;

    bring(course, &place, wanted, &new).await?;
    if course.enter(Step::Prepare)? {
        new.hook(course, "prepare", "prepare").await?;
    }
    if course.enter(Step::Stop)?
        && let Some(old) = &old
    {
        old.tell(course, "stop", "stop").await?;
    }
    if course.enter(Step::Switch)? {
        // good only when it has been so from here on
        (new.known.is_good, new.known.served_ms) = (false, course.task.now_ms());
        new.remember()?;
        place.switch(Some(wanted.id))?;
    }
    if course.enter(Step::Start)? {
        new.tell(course, "start", "start").await?;
    }
    if course.enter(Step::Test)? {
        new.hook(course, "test", "test").await?;
    }
    if course.enter(Step::Health)? {
        health::stays_good(course, &new).await?;
    }
    if course.enter(Step::Finish)? {
        new.hook(course, "finish", "finish").await?;
        let served_ms = Known::read(&place, wanted.id)?.map_or(0, |known| known.served_ms);
        (new.known.is_good, new.known.served_ms) = (true, served_ms);
        new.remember()?;
    }
    course.note(Step::Prune);
    prune::releases(&place, Some(wanted.id), before, course.shared.config.limits.kept).await;
    prune::archives(&course.shared.layout, course.task.now_ms()).await;
    Ok(())
}

/// Has the release lie among the others: one that was good lies there untouched, any other is unpacked anew.
async fn bring(course: &mut Course<'_>, place: &Place, wanted: &Release, new: &Installed) -> Result<(), Halt> {
    if course.progress.at.is_some_and(|at| at > Step::Unpack) {
        return Ok(());
    }
    let is_kept = place.current()? == Some(wanted.id) || Known::read(place, wanted.id)?.is_some_and(|known| known.is_good);
    let is_kept = is_kept && place.release(wanted.id).is_dir();
    // two packages may have the same archive
    let name = wanted.sha256.to_string();
    let _archive = course.within(async { Ok(course.shared.archives.take(&name).await) }).await?;
    let mut archive = None;
    if course.enter(Step::Fetch)? && !is_kept {
        archive = Some(fetch(course, wanted).await?);
    }
    if course.enter(Step::Unpack)? && !is_kept {
        let archive = match archive {
            Some(archive) => archive,
            None => fetch(course, wanted).await?,
        };
        new.remember()?;
        new.own_shared().await?;
        let owner = new.user().await?.other;
        unpack(course, place, wanted, archive.clone(), owner).await?;
        durable::remove(&archive)?;
    }
    Ok(())
}

/// Has no release of the package serve.
pub(crate) async fn remove(course: &mut Course<'_>, name: &PackageName) -> Result<(), Halt> {
    let place = course.shared.layout.package(name);
    let Some(before) = course.progress.before() else { return Ok(()) };
    if course.enter(Step::Stop)? {
        Installed::before(&place, name, before)?.tell(course, "stop", "stop").await?;
    }
    if course.enter(Step::Switch)? {
        place.switch(None)?;
    }
    course.note(Step::Prune);
    prune::releases(&place, None, Some(before), course.shared.config.limits.kept).await;
    Ok(())
}

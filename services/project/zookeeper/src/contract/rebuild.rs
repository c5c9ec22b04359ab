//! Generations: filled beside the main one, and put into its place.

use loki_runner::{Applied, Target};

use super::World;
use super::given::{Given, Writer, log, node, server};

pub async fn a_shadow_is_not_read_before_it_is_finished(world: &dyn World) {
    let mut writer = Writer::new(world, 1);
    writer.projection.begin_rebuild(writer.log, 0).await.unwrap();
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    let facts = writer.facts(&[node(1, None, "a"), node(2, None, "b")]);
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    assert_eq!(writer.projection.stored().await.unwrap(), None);
    assert_eq!(world.dump().await, None);
    assert_eq!(world.reader().await.stored().await.unwrap_or(None), None);
    assert_eq!(writer.projection.finish_rebuild(writer.log, 2, 1_000).await.unwrap(), Applied::Done);
    writer.check(world).await;
    // it is no shadow any more
    let facts = writer.facts(&[node(3, None, "c")]);
    assert_eq!(writer.apply(Target::Shadow, &facts).await.unwrap(), Applied::Refused);
    assert_eq!(writer.write(&[node(3, None, "c")]).await, Applied::Done);
    writer.check(world).await;
}

pub async fn a_rebuild_leaves_nothing_behind(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a"), server(2, "old")]).await;
    writer.log = log(2);
    assert_eq!(writer.rebuild(vec![node(1, None, "b")]).await.unwrap(), Applied::Done);
    writer.check(world).await;
    for round in 0..3 {
        assert_eq!(writer.rebuild(vec![node(1, None, &format!("r{round}"))]).await.unwrap(), Applied::Done);
        assert_eq!(writer.write(&[server(5, "web-5")]).await, Applied::Done);
        writer.check(world).await;
    }
}

pub async fn a_refused_finish_changes_nothing(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    let mut other = Writer::new(world, 1);
    other.projection.begin_rebuild(other.log, 0).await.unwrap();
    let facts = other.facts(&[node(9, None, "x"), node(8, None, "y")]);
    assert_eq!(other.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
    for (log, at) in [(log(1), 1), (log(1), 3), (log(2), 2)] {
        assert_eq!(other.projection.finish_rebuild(log, at, 9).await.unwrap(), Applied::Refused);
        writer.check(world).await;
    }
    // a batch that does not fit is refused, and does no harm to the shadow
    other.position = 1;
    assert_eq!(other.apply(Target::Shadow, &facts).await.unwrap(), Applied::Refused);
    assert_eq!(writer.write(&[node(2, None, "b")]).await, Applied::Done);
    writer.check(world).await;
    other.position = 2;
    assert_eq!(other.projection.finish_rebuild(other.log, 2, 1_000).await.unwrap(), Applied::Done);
    other.check(world).await;
}

pub async fn a_rebuild_may_be_begun_again(world: &dyn World) {
    let mut writer = Given::live(world, vec![node(1, None, "a")]).await;
    for _ in 0..3 {
        let mut other = Writer::new(world, 1);
        other.projection.begin_rebuild(other.log, 0).await.unwrap();
        let facts = other.facts(&[server(4, "left-over"), server(5, "left-over-too")]);
        assert_eq!(other.apply(Target::Shadow, &facts).await.unwrap(), Applied::Done);
        writer.check(world).await;
    }
    assert_eq!(writer.rebuild(vec![node(3, None, "c")]).await.unwrap(), Applied::Done);
    writer.check(world).await;
}

pub async fn a_writer_learns_of_a_rebuild_by_another(world: &dyn World) {
    let mut first = Given::live(world, vec![node(1, None, "a"), server(2, "old")]).await;
    let mut second = Writer::new(world, 1);
    assert_eq!(second.rebuild(vec![node(1, None, "a"), server(3, "new")]).await.unwrap(), Applied::Done);
    // the same log and position, another generation
    assert_eq!(first.write(&[server(3, "newer"), server(4, "newest")]).await, Applied::Done);
    first.changes = [second.changes, first.changes[2..].to_vec()].concat();
    first.check(world).await;
}

pub async fn emptied_at_any_stage_it_is_filled_again(world: &dyn World) {
    for stage in 0..4 {
        let mut writer = Given::live(world, vec![node(1, None, "a"), server(2, "web")]).await;
        let mut other = Writer::new(world, 1);
        if stage == 0 {
            world.empty().await;
        }
        other.projection.begin_rebuild(other.log, 0).await.unwrap();
        if stage == 1 {
            world.empty().await;
        }
        let facts = other.facts(&[node(1, None, "a"), server(2, "web")]);
        let mut applied = other.apply(Target::Shadow, &facts).await.unwrap();
        if stage == 2 {
            world.empty().await;
        }
        if applied == Applied::Done {
            applied = other.projection.finish_rebuild(other.log, 2, 1_000).await.unwrap();
        }
        if stage == 3 {
            world.empty().await;
            assert_eq!(other.projection.stored().await.unwrap(), None);
            applied = Applied::Refused;
        }
        if applied == Applied::Refused {
            assert_eq!(writer.projection.stored().await.unwrap(), None, "stage {stage}");
            assert_eq!(writer.write(&[server(3, "hole")]).await, Applied::Refused, "stage {stage}");
            assert_eq!(world.dump().await, None, "stage {stage}");
            assert_eq!(other.rebuild(vec![node(1, None, "a"), server(2, "web")]).await.unwrap(), Applied::Done, "stage {stage}");
        }
        other.check(world).await;
        assert_eq!(other.write(&[server(3, "after")]).await, Applied::Done, "stage {stage}");
        other.check(world).await;
    }
}

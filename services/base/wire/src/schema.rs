//! Every published type with its JSON Schema. The files in `schemas/` are these, checked in; a test fails on a difference.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};

use crate::{command, fact, outcome, sample, task_log};

/// A type's schema under its name, `<kind>.<name>.v<N>`.
pub struct Published {
    pub name: &'static str,
    pub schema: Schema,
}

/// All published schemas, in order of their names' kinds.
pub fn published() -> Vec<Published> {
    use command::v1 as c;
    use command::v1::deploy as cd;
    use fact::v1 as f;
    use fact::v1::deploy as fd;
    vec![
        of::<c::NodeCreate>("command.node.create.v1"),
        of::<c::NodeRename>("command.node.rename.v1"),
        of::<c::NodeMove>("command.node.move.v1"),
        of::<c::NodeRemove>("command.node.remove.v1"),
        of::<c::NodeSet>("command.node.set.v1"),
        of::<c::ServerRegister>("command.server.register.v1"),
        of::<c::ServerUpdate>("command.server.update.v1"),
        of::<c::ServerState>("command.server.state.v1"),
        of::<c::ServerRetire>("command.server.retire.v1"),
        of::<c::ServerMount>("command.server.mount.v1"),
        of::<c::ServerUnmount>("command.server.unmount.v1"),
        of::<c::ServerWeigh>("command.server.weigh.v1"),
        of::<c::MembershipSet>("command.membership.set.v1"),
        of::<c::MembershipRemove>("command.membership.remove.v1"),
        of::<c::MembershipSweep>("command.membership.sweep.v1"),
        of::<c::DomainSet>("command.domain.set.v1"),
        of::<c::DomainRemove>("command.domain.remove.v1"),
        of::<cd::TokenCreate>("command.token.create.v1"),
        of::<cd::TokenRemove>("command.token.remove.v1"),
        of::<cd::PackageRegister>("command.package.register.v1"),
        of::<cd::PackageWithdraw>("command.package.withdraw.v1"),
        of::<cd::TemplateSet>("command.template.set.v1"),
        of::<cd::TemplateRemove>("command.template.remove.v1"),
        of::<cd::RunStart>("command.run.start.v1"),
        of::<cd::RunApprove>("command.run.approve.v1"),
        of::<cd::RunPause>("command.run.pause.v1"),
        of::<cd::RunResume>("command.run.resume.v1"),
        of::<cd::RunStop>("command.run.stop.v1"),
        of::<cd::RunRetry>("command.run.retry.v1"),
        of::<cd::RunRollBack>("command.run.roll_back.v1"),
        of::<cd::RunReport>("command.run.report.v1"),
        of::<cd::RunStep>("command.run.step.v1"),
        of::<cd::TimerFire>("command.timer.fire.v1"),
        of::<f::Node>("fact.node.v1"),
        of::<f::Server>("fact.server.v1"),
        of::<f::Mount>("fact.mount.v1"),
        of::<f::Membership>("fact.membership.v1"),
        of::<f::Domain>("fact.domain.v1"),
        of::<fd::Token>("fact.token.v1"),
        of::<fd::Package>("fact.package.v1"),
        of::<fd::Template>("fact.template.v1"),
        of::<fd::Run>("fact.run.v1"),
        of::<fd::Batch>("fact.batch.v1"),
        of::<fd::Task>("fact.task.v1"),
        of::<fd::Timer>("fact.timer.v1"),
        of::<f::Log>("fact.log.v1"),
        of::<outcome::v1::Command>("outcome.command.v1"),
        of::<sample::v1::Points>(sample::v1::NAME),
        of::<task_log::v1::Written>(task_log::v1::NAME),
    ]
}

fn of<T: JsonSchema>(name: &'static str) -> Published {
    let mut schema = SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("loki:{name}").into());
    schema.insert("title".to_owned(), name.into());
    Published { name, schema }
}

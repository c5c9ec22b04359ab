//! The company as an INI inventory.

use super::company::{Company, Group, Host, Vars};

pub(super) fn write(company: &Company) -> String {
    let mut out = format!("# {}\n\n# in no group\n", super::TITLE);
    company.bastions.iter().for_each(|host| out.push_str(&line(host)));
    section(&mut out, "all:vars", &assignments(&company.vars));
    company.groups.iter().for_each(|group| write_group(&mut out, group, 0));
    out
}

/// A group, then the groups below it.
fn write_group(out: &mut String, group: &Group, depth: usize) {
    if depth == 0 {
        out.push_str(&format!("\n\n# ==== {} ====\n", group.name));
    }
    if let Some(remark) = group.remark {
        out.push_str(&format!("# {remark}\n"));
    }
    let hosts: Vec<String> = group.hosts.iter().map(|host| line(host).trim_end().to_owned()).chain(group.ranges.iter().cloned()).collect();
    let children: Vec<String> = group.children.iter().map(|child| child.name.clone()).chain(group.shared.iter().cloned()).collect();
    if !hosts.is_empty() {
        section(out, &group.name, &hosts);
    }
    if !children.is_empty() {
        section(out, &format!("{}:children", group.name), &children);
    }
    if !group.vars.is_empty() {
        section(out, &format!("{}:vars", group.name), &assignments(&group.vars));
    }
    group.children.iter().for_each(|child| write_group(out, child, depth + 1));
}

fn section(out: &mut String, name: &str, lines: &[String]) {
    out.push_str(&format!("\n[{name}]\n"));
    lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
}

fn assignments(vars: &Vars) -> Vec<String> {
    vars.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

fn line(host: &Host) -> String {
    format!("{} {}\n", host.name, assignments(&host.vars).join(" "))
}

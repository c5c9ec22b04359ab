//! The company as a YAML inventory.

use super::company::{Company, Group, Host, Vars};

pub(super) fn write(company: &Company) -> String {
    let mut out = format!("# {}\n---\nall:\n  vars:\n", super::TITLE);
    write_vars(&mut out, "    ", &company.vars);
    out.push_str("  hosts:\n");
    company.bastions.iter().for_each(|host| write_host(&mut out, "    ", host));
    out.push_str("  children:\n");
    company.groups.iter().for_each(|group| write_group(&mut out, "    ", group));
    out
}

fn write_group(out: &mut String, indent: &str, group: &Group) {
    if let Some(remark) = group.remark {
        out.push_str(&format!("{indent}# {remark}\n"));
    }
    out.push_str(&format!("{indent}{}:\n", group.name));
    let (section, entry) = (format!("{indent}  "), format!("{indent}    "));
    if !group.vars.is_empty() {
        out.push_str(&format!("{section}vars:\n"));
        write_vars(out, &entry, &group.vars);
    }
    if !group.hosts.is_empty() || !group.ranges.is_empty() {
        out.push_str(&format!("{section}hosts:\n"));
        group.hosts.iter().for_each(|host| write_host(out, &entry, host));
        group.ranges.iter().for_each(|range| out.push_str(&format!("{entry}{range}:\n")));
    }
    if !group.children.is_empty() || !group.shared.is_empty() {
        out.push_str(&format!("{section}children:\n"));
        group.children.iter().for_each(|child| write_group(out, &entry, child));
        group.shared.iter().for_each(|name| out.push_str(&format!("{entry}{name}:\n")));
    }
}

fn write_vars(out: &mut String, indent: &str, vars: &Vars) {
    vars.iter().for_each(|(key, value)| out.push_str(&format!("{indent}{key}: {}\n", scalar(value))));
}

fn write_host(out: &mut String, indent: &str, host: &Host) {
    let vars: Vec<String> = host.vars.iter().map(|(key, value)| format!("{key}: {}", scalar(value))).collect();
    out.push_str(&format!("{indent}{}: {{{}}}\n", host.name, vars.join(", ")));
}

/// Braces would begin a mapping.
fn scalar(text: &str) -> String {
    if text.starts_with('{') { format!("\"{text}\"") } else { text.to_owned() }
}

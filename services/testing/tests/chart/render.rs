//! Runs helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use loki_testing::real::stack_dir;

use crate::manifest::Manifest;

pub(crate) const RELEASE: &str = "loki-ops";
pub(crate) const NAMESPACE: &str = "ops";

/// Below the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub(crate) fn text(path: &str) -> String {
    let path = repository(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Helm with the chart, away from any real cluster.
pub(crate) fn helm(arguments: &[&str]) -> Output {
    let own = stack_dir().join("bin/helm");
    let helm = if own.is_file() { own } else { PathBuf::from("helm") };
    Command::new(&helm)
        .args(arguments)
        .env("KUBECONFIG", "/dev/null")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run `services/testing/stack/install.sh helm`", helm.display()))
}

/// The manifests, or what helm says.
pub(crate) fn render_as(release: &str, arguments: &[&str]) -> Result<Vec<Manifest>, String> {
    let chart = repository("helm/loki-ops");
    let mut all = vec!["template", release, chart.to_str().unwrap(), "--namespace", NAMESPACE, "--kube-version", "1.34"];
    all.extend(arguments);
    let output = helm(&all);
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Ok(documents.into_iter().filter(|document| !document.is_null()).map(Manifest).collect())
}

pub(crate) fn render(arguments: &[&str]) -> Result<Vec<Manifest>, String> {
    render_as(RELEASE, arguments)
}

/// The defaults, and each file of values, by name. Rendered once, with the Prometheus operator's API at hand.
pub(crate) fn variants() -> &'static [(String, Vec<Manifest>)] {
    static VARIANTS: OnceLock<Vec<(String, Vec<Manifest>)>> = OnceLock::new();
    VARIANTS.get_or_init(|| {
        let mut files: Vec<_> = std::fs::read_dir(repository("helm/loki-ops/ci")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 3, "{files:?}");
        let monitoring = ["--api-versions", "monitoring.coreos.com/v1"];
        let mut variants = vec![("defaults".to_owned(), render(&monitoring).unwrap())];
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().trim_end_matches("-values.yaml").to_owned();
            let manifests = render(&[&monitoring[..], &["--values", file.to_str().unwrap()]].concat()).unwrap();
            variants.push((name, manifests));
        }
        variants
    })
}

/// The manifests of one variant.
pub(crate) fn variant(name: &str) -> &'static [Manifest] {
    &variants().iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no values `{name}`")).1
}

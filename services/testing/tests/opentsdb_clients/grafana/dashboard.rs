//! The files of `deploy/grafana`, as far as requests follow from them. A field of a target that is not known here is a fault of this test: it
//! may change what is asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Debug, Clone)]
pub(super) struct Dashboard {
    pub(super) title: String,
    pub(super) variables: Vec<Variable>,
    pub(super) panels: Vec<Panel>,
    from: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    query: String,
}

#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) source: String,
    pub(super) targets: Vec<Target>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Target {
    pub(super) ref_id: String,
    #[serde(rename = "datasource")]
    _source: Source,
    pub(super) metric: String,
    pub(super) aggregator: String,
    pub(super) downsample_interval: String,
    pub(super) downsample_aggregator: String,
    pub(super) downsample_fill_policy: String,
    disable_downsampling: bool,
    should_compute_rate: bool,
    /// Not sent.
    #[serde(rename = "alias")]
    _alias: String,
    pub(super) filters: Vec<Filter>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) tagk: String,
    pub(super) filter: String,
    pub(super) group_by: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Source {
    uid: String,
}

/// What is provisioned.
pub(super) struct DataSource {
    pub(super) uid: String,
    pub(super) kind: String,
    /// 3 is OpenTSDB 2.3, 4 is 2.4.
    pub(super) version: u8,
    /// 1 is seconds, 2 milliseconds.
    pub(super) resolution: u8,
    pub(super) lookup_limit: u32,
}

#[derive(Deserialize)]
struct DashboardFile {
    title: String,
    time: Time,
    templating: Templating,
    panels: Vec<PanelFile>,
}

#[derive(Deserialize)]
struct Time {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Templating {
    list: Vec<Variable>,
}

#[derive(Deserialize)]
struct PanelFile {
    title: String,
    datasource: Source,
    targets: Vec<Target>,
}

impl Dashboard {
    /// Those that show series. That of the platform itself reads Prometheus; `tests/monitoring` looks at it.
    pub(super) fn all() -> Vec<Self> {
        let folder = deployed("dashboards");
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|file| !file.ends_with("platform.json"));
        let mut dashboards: Vec<Self> = files.map(|file| Self::read(&file)).collect();
        dashboards.sort_by(|one, other| one.title.cmp(&other.title));
        assert!(dashboards.len() > 1, "{} has {} dashboards", folder.display(), dashboards.len());
        dashboards
    }

    fn read(file: &Path) -> Self {
        let read: DashboardFile =
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(read.time.to, "now", "{}", file.display());
        let panels =
            read.panels.into_iter().map(|panel| Panel { title: panel.title, source: panel.datasource.uid, targets: panel.targets });
        let panels: Vec<Panel> = panels.collect();
        for target in panels.iter().flat_map(|panel| &panel.targets) {
            let known = !target.should_compute_rate && !target.disable_downsampling;
            assert!(known, "{}: rates and raw points need their part in `request.rs`: {target:?}", file.display());
        }
        Self { title: read.title, variables: read.templating.list, panels, from: read.time.from }
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.uses().into_iter().map(|(metric, _)| metric)
    }

    /// Every metric with every tag that is asked of it.
    pub(super) fn uses(&self) -> Vec<(&str, &str)> {
        let targets = self.panels.iter().flat_map(|panel| &panel.targets);
        let asked = targets.flat_map(|target| target.filters.iter().map(|filter| (target.metric.as_str(), filter.tagk.as_str())));
        asked.chain(self.variables.iter().map(Variable::tag_values)).collect()
    }

    /// The same dashboard of metrics that begin with `prefix`.
    pub(super) fn with_prefix(&self, prefix: &str) -> Self {
        let mut renamed = self.clone();
        for target in renamed.panels.iter_mut().flat_map(|panel| &mut panel.targets) {
            target.metric.insert_str(0, prefix);
        }
        for variable in &mut renamed.variables {
            variable.query = variable.query.replacen('(', &format!("({prefix}"), 1);
        }
        renamed
    }

    /// How far back it looks.
    pub(super) fn seconds(&self) -> i64 {
        let hours = self.from.strip_prefix("now-").and_then(|from| from.strip_suffix('h')).and_then(|hours| hours.parse::<i64>().ok());
        hours.unwrap_or_else(|| panic!("{}: `{}` is not so many hours ago", self.title, self.from)) * 3_600
    }

    /// `$__interval` on a panel that is 60 points wide.
    pub(super) fn interval(&self) -> String {
        format!("{}m", self.seconds() / 60 / 60)
    }
}

impl Variable {
    /// Metric and tag of `tag_values(metric,tag)`.
    pub(super) fn tag_values(&self) -> (&str, &str) {
        let inner = self.query.strip_prefix("tag_values(").and_then(|rest| rest.strip_suffix(')')).and_then(|inner| inner.split_once(','));
        let (metric, tag) = inner.unwrap_or_else(|| panic!("`{}` asks `{}`", self.name, self.query));
        (metric, tag.trim())
    }
}

impl Panel {
    /// Values in place of variables: several are written `a|b`.
    pub(super) fn with(&self, chosen: &BTreeMap<String, String>, interval: &str) -> Self {
        let mut panel = self.clone();
        for target in &mut panel.targets {
            target.downsample_interval = target.downsample_interval.replace("$__interval", interval);
            for filter in &mut target.filters {
                for (name, values) in chosen {
                    filter.filter = filter.filter.replace(&format!("${name}"), values);
                }
                assert!(!filter.filter.contains('$'), "{filter:?} has a variable that is not known");
            }
        }
        panel
    }
}

impl Target {
    pub(super) fn downsample(&self) -> String {
        let fill = match self.downsample_fill_policy.as_str() {
            "none" => String::new(),
            fill => format!("-{fill}"),
        };
        format!("{}-{}{fill}", self.downsample_interval, self.downsample_aggregator)
    }
}

impl DataSource {
    pub(super) fn provisioned() -> Self {
        #[derive(Deserialize)]
        struct File {
            datasources: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            uid: String,
            #[serde(rename = "type")]
            kind: String,
            #[serde(rename = "jsonData")]
            settings: Settings,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Settings {
            tsdb_version: u8,
            tsdb_resolution: u8,
            lookup_limit: u32,
        }
        let file: File = serde_saphyr::from_str(&fs::read_to_string(deployed("provisioning/datasources/loki.yaml")).unwrap()).unwrap();
        let [Entry { uid, kind, settings }] = <[Entry; 1]>::try_from(file.datasources).ok().expect("one data source");
        let Settings { tsdb_version: version, tsdb_resolution: resolution, lookup_limit } = settings;
        Self { uid, kind, version, resolution, lookup_limit }
    }
}

fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana").join(path)
}

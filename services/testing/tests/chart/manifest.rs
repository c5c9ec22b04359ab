//! A rendered object, and what is asked of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest(pub(crate) Value);

/// A pod, wherever it stands: in a Deployment, in a DaemonSet, in a Job, by itself.
pub(crate) struct Pod<'a> {
    /// `Deployment/loki-ops-api`, for messages.
    pub(crate) owner: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: &'a Value,
}

impl Manifest {
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn kind(&self) -> &str {
        self.at("/kind").as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.at("/metadata/name").as_str().unwrap_or_default()
    }

    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.at("/metadata/annotations").get(name)?.as_str()
    }

    /// What a hook is for; `None`: an ordinary part of the release.
    pub(crate) fn hook(&self) -> Option<&str> {
        self.annotation("helm.sh/hook")
    }

    pub(crate) fn pod(&self) -> Option<Pod<'_>> {
        let template = match self.kind() {
            "Deployment" | "DaemonSet" | "Job" => self.at("/spec/template"),
            "Pod" => &self.0,
            _ => return None,
        };
        Some(Pod { owner: self.title(), labels: texts(&template["metadata"]["labels"]), spec: &template["spec"] })
    }
}

impl<'a> Pod<'a> {
    /// Each pod has one container.
    pub(crate) fn container(&self) -> &'a Value {
        let containers = self.spec["containers"].as_array().unwrap();
        assert_eq!((containers.len(), self.spec.get("initContainers")), (1, None), "{}", self.owner);
        &containers[0]
    }

    pub(crate) fn component(&self) -> &str {
        &self.labels["app.kubernetes.io/component"]
    }

    pub(crate) fn arguments(&self) -> Vec<&'a str> {
        self.container()["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect()
    }

    /// Loki's own variables: the literal value or the pod's field, or secret and key.
    pub(crate) fn variables(&self) -> BTreeMap<&'a str, Result<&'a str, (&'a str, &'a str)>> {
        let variables = self.container()["env"].as_array().unwrap().iter();
        variables
            .map(|variable| {
                let text = |pointer: &str| variable.pointer(pointer).and_then(Value::as_str);
                let secret = text("/valueFrom/secretKeyRef/name").zip(text("/valueFrom/secretKeyRef/key"));
                let known = text("/value").or_else(|| text("/valueFrom/fieldRef/fieldPath"));
                let value = known.ok_or_else(|| secret.expect("a value or a secret"));
                (variable["name"].as_str().unwrap(), value)
            })
            .filter(|(name, _)| name.starts_with("LOKI"))
            .collect()
    }

    /// The ConfigMap with the settings.
    pub(crate) fn settings(&self) -> &'a str {
        let volumes = self.spec["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == "settings").unwrap();
        volume["configMap"]["name"].as_str().unwrap()
    }
}

/// The objects of this kind.
pub(crate) fn of<'a>(manifests: &'a [Manifest], kind: &'a str) -> impl Iterator<Item = &'a Manifest> {
    manifests.iter().filter(move |manifest| manifest.kind() == kind)
}

pub(crate) fn find<'a>(manifests: &'a [Manifest], kind: &str, name: &str) -> &'a Manifest {
    manifests.iter().find(|manifest| manifest.kind() == kind && manifest.name() == name).unwrap_or_else(|| panic!("no {kind} `{name}`"))
}

pub(crate) fn pods(manifests: &[Manifest]) -> impl Iterator<Item = Pod<'_>> {
    manifests.iter().filter_map(Manifest::pod)
}

/// A map of texts.
pub(crate) fn texts(value: &Value) -> BTreeMap<String, String> {
    let members: &Map<String, Value> = value.as_object().expect("a map");
    members.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_else(|| panic!("`{key}` is no text")).to_owned())).collect()
}

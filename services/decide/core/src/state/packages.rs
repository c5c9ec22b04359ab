//! Versions of packages by id, and by name and version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Package, PackageId, PackageName, Version};

use super::table::Table;
use super::{put_in, take_from};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    by_id: Table<PackageId, Arc<Package>>,
    by_version: BTreeMap<(PackageName, Version), BTreeSet<PackageId>>,
}

impl Packages {
    pub(super) fn put(&mut self, id: PackageId, package: Option<Arc<Package>>) -> Option<Arc<Package>> {
        let after = package.clone();
        let before = self.by_id.put(id, package);
        if let Some(package) = &before {
            take_from(&mut self.by_version, &(package.name.clone(), package.version.clone()), &id);
        }
        if let Some(package) = &after {
            put_in(&mut self.by_version, (package.name.clone(), package.version.clone()), id);
        }
        before
    }

    pub fn get(&self, id: &PackageId) -> Option<&Package> {
        self.by_id.get(id).map(|package| &**package)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Package> {
        self.by_id.iter().map(|package| &**package)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn of(&self, name: &PackageName, version: &Version) -> Option<&Package> {
        self.by_version.get(&(name.clone(), version.clone()))?.first().and_then(|id| self.get(id))
    }
}

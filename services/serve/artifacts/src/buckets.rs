//! Archives that lie in buckets of S3 where others have put them: packages with the address `s3://bucket/key`.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::error::Error;
use crate::store::{self, Found};

/// The buckets that may be read from, and no others: whoever registers a package names any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Buckets(Arc<BTreeMap<String, Arc<dyn ObjectStore>>>);

/// An archive in one of them.
#[derive(Clone)]
pub struct Object {
    store: Arc<dyn ObjectStore>,
    place: Path,
}

impl Buckets {
    /// Options as for [`crate::Artifacts::open`], for all of them.
    ///
    /// # Errors
    /// One is no name of a bucket, or an option is wrong.
    pub fn open(names: &[String], options: &[(String, String)]) -> Result<Self, Error> {
        let open = |name: &String| {
            let wrong = |source| Error::Bucket { name: name.clone(), source };
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
                return Err(wrong("it has letters, digits, `.`, `-` and `_`".into()));
            }
            let url = Url::parse(&format!("s3://{name}")).map_err(|error| wrong(error.into()))?;
            let (store, _) = store::connect(&url, options.iter().cloned()).map_err(|error| wrong(error.into()))?;
            Ok((name.clone(), store))
        };
        Ok(Self(Arc::new(names.iter().map(open).collect::<Result<_, Error>>()?)))
    }

    /// What `s3://bucket/key` names; `None`: nothing is read from this bucket.
    pub fn find(&self, url: &str) -> Option<Object> {
        let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
        let place = Path::from_url_path(key).ok()?;
        self.0.get(bucket).map(|store| Object { store: Arc::clone(store), place })
    }
}

impl Object {
    /// `None`: it is not there.
    ///
    /// # Errors
    /// The bucket is away.
    pub async fn size(&self) -> Result<Option<u64>, Error> {
        store::size(&*self.store, &self.place).await
    }

    /// From this byte on; `None`: it is not there.
    ///
    /// # Errors
    /// The bucket is away.
    pub async fn get(&self, from: u64) -> Result<Option<Found>, Error> {
        store::get(&*self.store, &self.place, from).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buckets_that_are_named_are_read_from() {
        let region = [("aws_region".to_owned(), "eu-central-1".to_owned())];
        let buckets = Buckets::open(&["releases".to_owned()], &region).unwrap();
        assert_eq!(buckets.find("s3://releases/web/1%2B2.tar.gz").unwrap().place.to_string(), "web/1+2.tar.gz");
        for other in ["s3://others/web.tar.gz", "https://releases/web.tar.gz", "artifact", "s3://releases"] {
            assert!(buckets.find(other).is_none(), "{other}");
        }
        assert!(Buckets::default().find("s3://releases/web").is_none());
        for wrong in ["", "a/b", "a b"] {
            let error = Buckets::open(&[wrong.to_owned()], &[]).err().unwrap().to_string();
            assert!(error.contains("bucket"), "{error}");
        }
    }
}

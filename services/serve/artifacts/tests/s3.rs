//! The store in a bucket of S3, and buckets of others, against a small S3 on this machine.

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use loki_artifacts::testing::S3;
use loki_artifacts::{Artifacts, Buckets, Error, Found, Refused};
use loki_domain::Sha256;
use sha2::Digest as _;

async fn text(found: Found) -> Vec<u8> {
    let pieces: Vec<Bytes> = found.bytes.try_collect().await.unwrap();
    pieces.concat()
}

fn pieces(bytes: &[u8]) -> impl stream::Stream<Item = Result<Bytes, String>> + use<> {
    stream::iter(bytes.chunks(1 << 20).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>())
}

/// Of more than one part of an upload.
fn large() -> (Vec<u8>, Sha256) {
    let bytes: Vec<u8> = (0..9_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let digest = Sha256(sha2::Sha256::digest(&bytes).into());
    (bytes, digest)
}

#[tokio::test]
async fn an_archive_is_there_as_a_whole_or_not_at_all() {
    let s3 = S3::start().await;
    let artifacts = Artifacts::open("s3://own/loki", s3.options()).unwrap();
    let (bytes, digest) = large();
    assert_eq!(artifacts.size(&digest).await.unwrap(), None);
    let refused = artifacts.put(&digest, pieces(&bytes[1..]), 1 << 30).await.unwrap_err();
    assert!(matches!(refused, Refused::Other { .. }), "{refused}");
    let broken = stream::iter([Ok(Bytes::copy_from_slice(&bytes[..20 << 20])), Err("gone")]);
    assert!(matches!(artifacts.put(&digest, broken, 1 << 30).await, Err(Refused::BrokenOff { .. })));
    assert_eq!(s3.holds(), (vec![], 0), "nothing is left of what was refused");
    assert_eq!(artifacts.put(&digest, pieces(&bytes), 1 << 30).await.unwrap(), bytes.len() as u64);
    assert_eq!(s3.holds(), (vec![format!("/own/loki/sha256/{digest}")], 0));
    let found = artifacts.get(&digest, 0).await.unwrap().unwrap();
    assert_eq!(found.size, bytes.len() as u64);
    assert!(text(found).await == bytes, "what comes out went in");
    let rest = artifacts.get(&digest, 35_999_990).await.unwrap().unwrap();
    assert_eq!((rest.size, text(rest).await), (36_000_000, bytes[35_999_990..].to_vec()));
}

#[tokio::test]
async fn buckets_of_others_are_read_from_any_byte_on() {
    let s3 = S3::start().await;
    s3.put("releases", "web/1.tar", "abc");
    let buckets = Buckets::open(&["releases".to_owned()], &s3.options()).unwrap();
    let object = buckets.find("s3://releases/web/1.tar").unwrap();
    assert_eq!(object.size().await.unwrap(), Some(3));
    assert_eq!(text(object.get(0).await.unwrap().unwrap()).await, b"abc");
    assert_eq!(text(object.get(2).await.unwrap().unwrap()).await, b"c");
    let none = buckets.find("s3://releases/web/2.tar").unwrap();
    assert!(none.get(0).await.unwrap().is_none() && none.size().await.unwrap().is_none());
    let options = s3.options().into_iter().chain([("aws_access_key_id".to_owned(), "other".to_owned())]).collect::<Vec<_>>();
    let refused = Buckets::open(&["releases".to_owned()], &options).unwrap().find("s3://releases/web/1.tar").unwrap().size().await;
    assert!(matches!(refused, Err(Error::Away(_))), "{refused:?}");
}

//! Which certificates are believed, and what to say of one that is not.
//!
//! Either those of the system's authorities, or those of the authorities in a file: naming a file takes the others away.

use std::error::Error;
use std::io::Read as _;
use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Url};
use rustls::CertificateError;

use crate::exit::Failure;

/// The bundles of whole systems have some 250 KiB.
const FILE_BYTES: u64 = 4 << 20;

/// The beginning of a client for addresses without TLS: it looks at no certificate of the system, of which a small container has none.
/// Tests begin theirs with it too: one that reqwest makes by itself panics where nobody has installed cryptography.
pub fn plain() -> ClientBuilder {
    with_ring().tls_certs_only([])
}

/// The beginning of a client for this address.
pub(super) fn builder(api: &Url, ca_file: Option<&Path>) -> Result<ClientBuilder, Failure> {
    match (api.scheme(), ca_file) {
        ("https", Some(file)) => Ok(with_ring().tls_certs_only(authorities(file)?)),
        ("https", None) => Ok(with_ring()),
        _ => Ok(plain()),
    }
}

/// reqwest takes its cryptography from the process.
fn with_ring() -> ClientBuilder {
    // refused when the process has one already, which is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let wrong = |why: String| Failure::usage(format!("`--ca-file`: `{}` {why}", file.display()));
    let unread = |error: std::io::Error| wrong(format!("cannot be read: {error}"));
    let mut pem = Vec::new();
    std::fs::File::open(file).map_err(unread)?.take(FILE_BYTES + 1).read_to_end(&mut pem).map_err(unread)?;
    if pem.len() as u64 > FILE_BYTES {
        return Err(wrong(format!("has more than {} MiB, which no list of authorities has", FILE_BYTES >> 20)));
    }
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(format!("is no list of certificates in PEM: {error}")))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate: put the authority's into it, in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned()));
    }
    Ok(found)
}

/// Why no connection was made, when that is for TLS's sake: what is wrong, and how to mend it.
pub(super) fn reason(error: &reqwest::Error) -> Option<String> {
    of_tls(error).map(told)
}

/// An `io::Error` leaves out of its sources what it was made of.
fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let within = || error.downcast_ref::<std::io::Error>()?.get_ref().and_then(|inner| of_tls(inner));
    error.downcast_ref().or_else(within).or_else(|| of_tls(error.source()?))
}

fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is of no authority known here: name the authority's file by `--ca-file`".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "its certificate is for another name: ask for it by the name that the certificate has".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired: renew it".to_owned()
        }
        rustls::Error::InvalidMessage(_) => format!("it does not speak TLS ({error}): write `http://` if that is meant"),
        error => error.to_string(),
    }
}

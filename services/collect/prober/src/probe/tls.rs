//! The handshake, and when the certificate expires, whether it is trusted or not.
//!
//! Certificates are checked as a browser does, and what fails the check ends the connection; the certificate is only remembered before that.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use loki_runtime::Clock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Error;

pub(super) struct Tls {
    cryptography: Arc<CryptoProvider>,
    time: Arc<Time>,
    trust: Arc<WebPkiServerVerifier>,
}

/// One handshake; it remembers the certificate.
pub(super) struct Handshake {
    config: Result<ClientConfig, rustls::Error>,
    host: String,
    seen: Arc<Seen>,
}

/// The time at which certificates are looked at: the prober's, so that expiry and validity agree.
#[derive(Debug)]
struct Time(Clock);

#[derive(Debug)]
struct Seen {
    trust: Arc<WebPkiServerVerifier>,
    leaf: Mutex<Option<CertificateDer<'static>>>,
}

impl Tls {
    pub(super) fn new(ca_file: Option<&Path>, clock: Clock) -> Result<Self, Error> {
        let cryptography = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(ca_file)?);
        let trust = WebPkiServerVerifier::builder_with_provider(roots, cryptography.clone())
            .build()
            .map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))?;
        Ok(Self { cryptography, time: Arc::new(Time(clock)), trust })
    }

    pub(super) fn handshake(&self, host: &str) -> Handshake {
        let seen = Arc::new(Seen { trust: self.trust.clone(), leaf: Mutex::new(None) });
        let config = ClientConfig::builder_with_details(self.cryptography.clone(), self.time.clone())
            .with_safe_default_protocol_versions()
            .map(|builder| builder.dangerous().with_custom_certificate_verifier(seen.clone()).with_no_client_auth())
            .map(|mut config| {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                // a resumed session shows no certificate
                config.resumption = Resumption::disabled();
                config
            });
        Handshake { config, host: host.to_owned(), seen }
    }
}

impl Handshake {
    pub(super) async fn run(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let config = self.config.clone().map_err(|error| error.to_string())?;
        let host = ServerName::try_from(self.host.clone()).map_err(|_| format!("`{}` can be in no certificate", self.host))?;
        TlsConnector::from(Arc::new(config)).connect(host, stream).await.map_err(|error| error.to_string())
    }

    /// When the certificate expires, in seconds since 1970; `None` when there was none that can be read.
    pub(super) fn expires(&self) -> Option<i64> {
        let leaf = self.seen.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf.as_deref()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_millis(ms)))
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
        self.trust.verify_server_cert(leaf, others, host, stapled, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.supported_verify_schemes()
    }
}

/// Mozilla's list, and what a file adds to it.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(path) = ca_file else { return Ok(roots) };
    let wrong = |why: String| Error::CaFile { path: path.to_owned(), why };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        roots.add(certificate.map_err(|error| wrong(error.to_string()))?).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(wrong("there is no certificate in it: write each as PEM".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(roots(Some(&path)), Err(Error::CaFile { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(roots(Some(&path)).unwrap_err().to_string().contains("there is no certificate"));
        let own = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        std::fs::write(&path, own.cert.pem()).unwrap();
        assert_eq!(roots(Some(&path)).unwrap().len(), roots(None).unwrap().len() + 1);
    }
}

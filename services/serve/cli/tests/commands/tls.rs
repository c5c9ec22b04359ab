//! An API behind TLS, as an Ingress shows it: believed, or refused with the reason.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loki_cli::Exit;
use loki_runtime::task;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::run::{Ran, loki};

const LIVE: &str = r#"{"commands":"c5","undecided":0,"projections":[]}"#;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Tls(TcpListener, TlsAcceptor);

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            // a client that does not believe us hangs up
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// The port of an API that shows a certificate for these names.
async fn serve(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> u16 {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new().route("/v1/status", axum::routing::get(|| async { LIVE }));
    // ends with the test's runtime
    drop(task::spawn("tls server", async move { axum::serve(Tls(listener, TlsAcceptor::from(Arc::new(config))), router).await }));
    port
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("ca.pem");
    std::fs::write(&file, text).unwrap();
    file
}

async fn status(port: u16, ca: &Path) -> Ran {
    loki(&format!("https://localhost:{port}"), &["status", "--ca-file", ca.to_str().unwrap()]).await
}

#[tokio::test]
async fn an_authority_of_one_s_own_is_believed() {
    let (authority, home) = (authority("Acme"), tempfile::tempdir().unwrap());
    let port = serve(&authority, |_| ()).await;
    let ran = status(port, &file(home.path(), &authority.pem())).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, ""));
    assert!(ran.out.contains("c5"), "{}", ran.out);
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_told_at_once() {
    let (ours, home) = (authority("Acme"), tempfile::tempdir().unwrap());
    let ca = file(home.path(), &ours.pem());
    let refused = |ran: Ran, why: &str| {
        assert!(ran.exit == Exit::Failed && ran.err.lines().count() == 1 && ran.err.contains(why), "{ran:?}");
    };
    for name in ["Acme", "Other"] {
        let port = serve(&authority(name), |_| ()).await;
        refused(status(port, &ca).await, "of no authority known here: name the authority's file by `--ca-file`");
    }
    let port = serve(&ours, |_| ()).await;
    // neither does the system know it
    refused(loki(&format!("https://localhost:{port}"), &["status"]).await, "`--ca-file`");
    let port = serve(&ours, |params| {
        params.subject_alt_names = CertificateParams::new(vec!["other.example".to_owned()]).unwrap().subject_alt_names
    })
    .await;
    refused(status(port, &ca).await, "for another name");
    let port = serve(&ours, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    refused(status(port, &ca).await, "has expired");
    let plain = crate::scripted::Scripted::new([]).await;
    let port = plain.api.rsplit(':').next().unwrap().parse().unwrap();
    refused(status(port, &ca).await, "does not speak TLS");
    drop(plain);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    refused(status(free, &ca).await, "nothing listens at https://localhost");
}

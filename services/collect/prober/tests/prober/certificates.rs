//! Certificates that are good, old, and of nobody known.

use std::sync::Arc;

use loki_prober::Config;
use loki_runtime::{Clock, task};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::prober::{fixed, start, until};
use crate::stub::Stub;

const DAY: i64 = 86_400;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A site whose certificate is valid from 30 days ago until `days` from now; gives its port.
async fn serve(authority: &Authority, name: &str, days: i64) -> u16 {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let now = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(Clock::system().now_ms().unsigned_abs());
    let of_days = |days: i64| std::time::Duration::from_secs((days.unsigned_abs()) * DAY.unsigned_abs());
    params.not_before = now - of_days(30);
    params.not_after = if days < 0 { now - of_days(days) } else { now + of_days(days) };
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let cryptography = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(cryptography)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    task::spawn("site", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // who does not trust it breaks off
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1_024];
            let read = stream.read(&mut request).await.unwrap_or(0);
            if read > 0 {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_is_looked_at() {
    let (stub, folder, ours) = (Stub::default(), tempfile::tempdir().unwrap(), authority());
    let api = stub.start().await;
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ours.pem()).unwrap();
    let good = serve(&ours, "localhost", 30).await;
    let expired = serve(&ours, "localhost", -2).await;
    let stranger = serve(&authority(), "localhost", 7).await;
    let other_name = serve(&ours, "www.acme.example", 14).await;
    let no_tls = crate::site::Site::start().await;

    let urls = [(good, "good"), (expired, "expired"), (stranger, "stranger"), (other_name, "other-name")];
    let urls = urls.map(|(port, path)| format!("https://localhost:{port}/{path}"));
    let plain = no_tls.url("/plain").replacen("http://", "https://", 1);
    let running = start(Config { ca_file: Some(ca_file), ..fixed(&api, urls.into_iter().chain([plain])) });

    // days until it expires; none: there is no certificate
    for (path, availability, days) in [
        ("/good", 1.0, Some(30)),
        ("/expired", 0.0, Some(-2)),
        ("/stranger", 0.0, Some(7)),
        ("/other-name", 0.0, Some(14)),
        ("/plain", 0.0, None),
    ] {
        until(path, || stub.values("domain.availability", path).len() >= 2).await;
        assert!(stub.values("domain.availability", path).iter().all(|value| *value == availability), "{path}");
        let left = stub.values("domain.tls.expiry", path);
        match days {
            // a test that takes a minute has other troubles
            Some(days) => assert!(left.len() >= 2 && left.iter().all(|left| (left - (days * DAY) as f64).abs() < 60.0), "{path}: {left:?}"),
            None => assert!(left.is_empty(), "{path}"),
        }
        assert_eq!(stub.phases(path).contains(&"tls".to_owned()), availability == 1.0, "{path}");
    }
    assert_eq!(stub.phases("/good"), ["connect", "dns", "first_byte", "tls", "transfer"]);
    running.stop().await;
}

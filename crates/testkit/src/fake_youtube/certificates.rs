//! A certificate authority that lives as long as one fake, and the one certificate that it signs.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// What the certificate is good for: every host that the proxy lets through.
const NAMES: [&str; 9] = [
    "youtube.com",
    "*.youtube.com",
    "youtu.be",
    "*.googlevideo.com",
    "*.ytimg.com",
    "*.googleapis.com",
    "*.ggpht.com",
    "*.googleusercontent.com",
    "*.youtube-nocookie.com",
];

pub(super) struct Certificates {
    /// PEM, for those who are to trust the fake.
    pub(super) authority: String,
    pub(super) tls: Arc<ServerConfig>,
}

impl Certificates {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "Songkeep test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let authority_cert = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut leaf = CertificateParams::new(NAMES.map(str::to_owned))?;
        leaf.distinguished_name.push(DnType::CommonName, "Songkeep's fake YouTube");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python refuses a certificate that does not name its issuer's key.
        leaf.use_authority_key_identifier_extension = true;
        let leaf_key = KeyPair::generate()?;
        let leaf_cert = leaf.signed_by(&leaf_key, &issuer)?;

        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf_cert.der().clone()], key)
            .context("the certificate does not fit its key")?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { authority: authority_cert.pem(), tls: Arc::new(tls) })
    }
}

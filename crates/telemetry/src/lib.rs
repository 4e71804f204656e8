//! Logs and metrics of a process. Set up once, by the binary; libraries only use the `tracing` and
//! `metrics` macros.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("LOG_LEVEL cannot be used")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("logging is already set up")]
    AlreadySetUp(#[from] tracing_subscriber::util::TryInitError),
    #[error("metrics cannot be set up")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Sends logs to standard error. `filter` is a level or filter directives.
///
/// # Errors
/// When the filter cannot be read, or logging has been set up before.
pub fn init_logs(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    // A bare level means our own words at that level and the libraries' from `warn` on.
    let directives = if filter.contains(['=', ',']) || filter == "trace" {
        filter.to_owned()
    } else {
        format!(
            "{filter},sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,h2=warn,rustls=warn,reqwest=warn"
        )
    };
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(directives)?);
    let writer = std::io::stderr;
    match format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(writer).with_target(false).with_ansi(writer().is_terminal()))
            .try_init()?,
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(writer))
            .try_init()?,
    }
    Ok(())
}

/// Gives the Prometheus text of this process's metrics.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Bounds of duration histograms, in seconds.
const DURATION_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
];

impl Metrics {
    /// Installs the process's recorder.
    ///
    /// # Errors
    /// When one is installed already.
    pub fn install(version: &'static str) -> Result<Self, TelemetryError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), DURATION_BUCKETS)?
            .install_recorder()?;
        metrics::gauge!("songkeep_build_info", "version" => version).set(1.0);
        Ok(Self(handle))
    }

    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what has been recorded; to be called every few seconds, so that memory stays bounded.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

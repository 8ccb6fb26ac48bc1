//! What is reported, and where it is written.

use std::path::PathBuf;

use bench_metrics::{
    Metric, MetricsError, Slo, SummaryOptions, check_measurable, default_metrics, parse_metrics,
    parse_percentiles,
};
use bench_report::ResultFormat;
use bench_report::record_log::{self, RecordLogWriter};
use bench_types::Task;

use super::seconds;
use crate::cli::{OptionsError, RunOptions};
use crate::{LogPlace, RecordLogOptions};

impl RunOptions {
    pub(super) fn summary(
        &self,
        task: Task,
        streamed: bool,
    ) -> Result<SummaryOptions, OptionsError> {
        let result = &self.result;
        let percentiles = parse_percentiles(&result.metric_percentiles)
            .map_err(|source| metrics_error("--metric-percentiles", source))?;
        let slo =
            Slo::parse(&result.goodput).map_err(|source| metrics_error("--goodput", source))?;
        slo.check_measurable(task, streamed)
            .map_err(|source| metrics_error("--goodput", source))?;
        let stall = seconds("--stall-ms", result.stall_ms / 1e3)?;
        Ok(SummaryOptions {
            percentiles,
            slo: (!slo.is_empty()).then_some(slo),
            stall_threshold: stall.into(),
            ..SummaryOptions::default()
        })
    }

    /// The metrics with a section in the report. Those that the run will not have are refused.
    pub(super) fn metrics(
        &self,
        task: Task,
        streamed: bool,
    ) -> Result<Vec<&'static Metric>, OptionsError> {
        const FLAG: &str = "--percentile-metrics";
        let Some(list) = &self.result.percentile_metrics else {
            return Ok(default_metrics(task, streamed));
        };
        let metrics = parse_metrics(list).map_err(|source| metrics_error(FLAG, source))?;
        check_measurable(&metrics, task, streamed).map_err(|source| metrics_error(FLAG, source))?;
        Ok(metrics)
    }

    pub(super) fn check_failure_rate(&self) -> Result<(), OptionsError> {
        match self.result.max_failure_rate {
            Some(rate) if !(0.0..=1.0).contains(&rate) => {
                let problem = format!("{rate} is not a share: 0 allows no failure, 1 any number");
                Err(OptionsError::flag("--max-failure-rate", problem))
            }
            _ => Ok(()),
        }
    }

    /// The record log to be written. Finds out before the run whether it can be.
    pub(super) fn record_log(&self) -> Result<Option<RecordLogOptions>, OptionsError> {
        let result = &self.result;
        let place = match (&result.record_log, result.file_name()) {
            _ if result.no_record_log => return Ok(None),
            (Some(path), _) => LogPlace::File(path.clone()),
            (None, _) if !result.saves() => return Ok(None),
            // That tool has one file, and its result says less than a log can rebuild.
            (None, _) if result.format() == ResultFormat::Sglang => return Ok(None),
            // A file of many results has a log for each of them.
            (None, Some(name)) if !result.adds_line() => {
                let name = PathBuf::from(name).with_extension(record_log::EXTENSION);
                LogPlace::File(result.folder().join(name))
            }
            (None, _) => LogPlace::Folder(result.folder().to_owned()),
        };
        if let LogPlace::File(path) = &place {
            RecordLogWriter::check(path, result.overwrite)?;
        }
        Ok(Some(RecordLogOptions {
            place,
            overwrite: result.overwrite,
            detailed: result.save_detailed,
        }))
    }
}

fn metrics_error(flag: &'static str, source: MetricsError) -> OptionsError {
    OptionsError::Metrics { flag, source }
}

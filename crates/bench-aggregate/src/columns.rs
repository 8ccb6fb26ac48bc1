//! The columns that every aggregate begins with.

use bench_report::Statistic;

/// Their names, in their order.
pub(crate) const COLUMNS: [&str; 35] = [
    "date",
    "backend",
    "model_id",
    "tokenizer_id",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "duration",
    "completed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
    "mean_ttft_ms",
    "median_ttft_ms",
    "std_ttft_ms",
    "p99_ttft_ms",
    "mean_tpot_ms",
    "median_tpot_ms",
    "std_tpot_ms",
    "p99_tpot_ms",
    "mean_itl_ms",
    "median_itl_ms",
    "std_itl_ms",
    "p99_itl_ms",
    "mean_e2el_ms",
    "median_e2el_ms",
    "std_e2el_ms",
    "p99_e2el_ms",
    "input_len",
    "output_len",
    "filename",
];

/// The name of a column in Chinese; a key that has none stays as it is.
pub(crate) fn chinese(column: &str) -> String {
    let known = match column {
        "date" => "日期",
        "backend" => "后端",
        "model_id" => "模型ID",
        "tokenizer_id" => "分词器ID",
        "num_prompts" => "提示数量",
        "request_rate" => "请求速率",
        "burstiness" => "突发性",
        "max_concurrency" => "最大并发数",
        "duration" => "持续时间",
        "completed" => "完成数量",
        "total_input_tokens" => "总输入令牌数",
        "total_output_tokens" => "总输出令牌数",
        "request_throughput" => "请求吞吐量",
        "request_goodput" => "请求有效吞吐量",
        "output_throughput" => "输出吞吐量",
        "total_token_throughput" => "总令牌吞吐量",
        "input_len" => "输入长度",
        "output_len" => "输出长度",
        "filename" => "文件名",
        "tool" => "工具",
        "label" => "标签",
        "failed" => "失败数量",
        _ => return statistic(column).unwrap_or_else(|| column.to_owned()),
    };
    known.to_owned()
}

fn statistic(column: &str) -> Option<String> {
    let (statistic, metric) = Statistic::parse_key(column)?;
    let metric = match metric {
        "ttft" => "首令牌时间",
        "tpot" => "每令牌时间",
        "itl" => "令牌间延迟",
        "e2el" => "端到端延迟",
        _ => return None,
    };
    Some(match statistic {
        Statistic::Mean => format!("平均{metric}(ms)"),
        Statistic::Median => format!("中位{metric}(ms)"),
        Statistic::Std => format!("{metric}标准差(ms)"),
        Statistic::Percentile(p) => format!("{metric}P{p}(ms)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_chinese_name_of_its_own() {
        let mut names: Vec<String> = COLUMNS.iter().map(|column| chinese(column)).collect();
        for (column, name) in COLUMNS.iter().zip(&names) {
            assert_ne!(column, name);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
        assert_eq!(chinese("p99_ttft_ms"), "首令牌时间P99(ms)");
        assert_eq!(chinese("mean_tpot_ms"), "平均每令牌时间(ms)");
        assert_eq!(chinese("rtfx"), "rtfx");
    }
}

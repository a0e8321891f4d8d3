//! How long the hot functions take: `cargo bench -p octocity-bench`.

#[path = "../src/hot.rs"]
mod hot;

use criterion::Criterion;

type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Fault> {
    let mut criterion = Criterion::default().configure_from_args();
    for mut hot in hot::all()? {
        criterion.bench_function(hot.name, |bencher| bencher.iter(|| assert!((hot.call)())));
    }
    criterion.final_summary();
    Ok(())
}

//! When an engine says that it takes no jobs.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use songkeep_domain::job::JobStatus;
use songkeep_jobs::{EngineSettings, EngineState};

use crate::world::{OffsetClock, Scripted, World, eventually, settings};

fn watchful() -> EngineSettings {
    EngineSettings { clock_check_every: Duration::from_millis(30), ..settings() }
}

#[tokio::test]
async fn a_node_whose_clock_is_off_says_by_how_much_and_claims_nothing() {
    for (off_by, side) in [(15, "ahead of"), (-15, "behind")] {
        let world = World::new().await;
        let handler = Scripted::quick();
        let clock = Arc::new(OffsetClock::default());
        clock.0.store(off_by, Ordering::SeqCst);
        let node = world.start_with(world.line(), clock, &handler, watchful());
        let id = world.enqueue(1, 5).await;
        eventually("the clocks are compared", || async {
            node.engine.health().state != EngineState::Starting
        })
        .await;
        let health = node.engine.health();
        let EngineState::ClockOff { ahead_ms } = health.state else { panic!("{health:?}") };
        assert!((ahead_ms - off_by * 1_000).abs() < 2_000, "{ahead_ms}");
        assert!(!health.is_ready());
        assert!(health.state.to_string().contains(side), "{}", health.state);

        // The other nodes go on.
        let other = world.start(&Scripted::quick(), settings());
        world.until_status(id, JobStatus::Completed).await;
        other.stop().await;
        assert_eq!(handler.total_runs(), 0);

        let id = world.enqueue(2, 5).await;
        node.clock.0.store(0, Ordering::SeqCst);
        world.until_status(id, JobStatus::Completed).await;
        assert!(node.engine.health().is_ready());
        node.stop().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_a_little_off_is_good_enough() {
    let world = World::new().await;
    let clock = Arc::new(OffsetClock::default());
    clock.0.store(8, Ordering::SeqCst);
    let node = world.start_with(world.line(), clock, &Scripted::quick(), watchful());
    let id = world.enqueue(1, 5).await;
    world.until_status(id, JobStatus::Completed).await;
    node.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_makes_the_node_unready_until_it_is_back() {
    let world = World::new().await;
    let poll = Duration::from_millis(50);
    let node = world.start(&Scripted::quick(), EngineSettings { poll, ..settings() });
    eventually("the engine is ready", || async { node.engine.health().is_ready() }).await;
    node.line.faults.cut.store(true, Ordering::SeqCst);
    eventually("the engine notices", || async { node.engine.health().state == EngineState::StoreFailing })
        .await;
    let id = world.enqueue(1, 5).await;
    node.line.faults.cut.store(false, Ordering::SeqCst);
    world.until_status(id, JobStatus::Completed).await;
    eventually("the engine is ready again", || async { node.engine.health().is_ready() }).await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_where_work_cannot_go_well_fails_one_job_and_leaves_the_others_alone() {
    let world = World::new().await;
    let handler = Scripted::broken();
    let ids = [world.enqueue(1, 5).await, world.enqueue(2, 5).await, world.enqueue(3, 5).await];
    let node = world.start(&handler, EngineSettings { slots: 1, ..settings() });
    eventually("the engine notices", || async { node.engine.health().state == EngineState::WorkFailing })
        .await;
    assert!(!node.engine.health().is_ready());
    assert_eq!(handler.total_runs(), 1);
    handler.broken.store(false, Ordering::SeqCst);
    for id in ids {
        world.until_status(id, JobStatus::Completed).await;
    }
    assert_eq!(handler.total_runs(), 4);
    eventually("the engine is ready again", || async { node.engine.health().is_ready() }).await;
    node.stop().await;
}

#[tokio::test]
async fn an_engine_that_starts_without_a_store_begins_when_it_comes() {
    let world = World::new().await;
    let line = world.line();
    line.faults.cut.store(true, Ordering::SeqCst);
    let id = world.enqueue(1, 5).await;
    let node = world.start_with(line, Arc::default(), &Scripted::quick(), settings());
    assert!(!node.engine.health().is_ready());
    node.line.faults.cut.store(false, Ordering::SeqCst);
    world.until_status(id, JobStatus::Completed).await;
    node.stop().await;
}

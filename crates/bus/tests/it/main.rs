//! What any bus promises, on the one inside a process and on the one over Redis, and what only the
//! latter can: reaching others, and losing Redis.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod kit;
mod limits;
mod losses;
mod promises;
mod sharing;
mod tls;

macro_rules! on_both {
    ($($case:ident,)+) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::promises::$case(crate::kit::Subject::local()).await;
            })+
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::promises::$case(crate::kit::Subject::redis().await).await;
            })+
        }
    };
}

on_both! {
    every_subscriber_hears_everything_from_then_on_in_order,
    a_wake_up_for_jobs_is_heard,
    telling_nobody_is_no_error,
    a_slow_subscriber_hears_that_it_missed_something_and_goes_on,
    a_subscription_lives_as_long_as_the_bus,
    many_callers_at_once_get_the_burst_and_no_more,
    a_client_that_waits_as_long_as_it_was_told_is_let_in,
    a_refused_call_costs_nothing,
    keys_and_rules_are_counted_apart,
    a_limit_of_nothing_refuses_everything_and_huge_values_do_not_overflow,
}

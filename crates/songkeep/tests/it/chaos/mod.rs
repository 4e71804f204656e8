//! A fleet of real processes on a real PostgreSQL, Redis and S3, under load while something fails:
//! whatever was acknowledged is done, once, nobody is signed out, and nothing is left lying around.

mod balancer;
mod bus_faults;
mod clocks;
mod database;
mod disk;
mod fleet;
mod journal;
mod kills;
mod load;
mod objects;
mod pauses;
mod queue;
mod rolling;
mod soundness;

//! Migrations, oldest first. Each is one script for both databases and may be run again after a
//! process died in the middle of it. Columns are added before code uses them and dropped only after
//! no running version does.

mod m0001_start;
mod m0002_accounts_and_overview;
mod m0003_installation;

use sea_orm_migration::prelude::*;

use crate::dialect::Dialect;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Script { name: "m0001_start", up: m0001_start::UP }),
            Box::new(Script { name: "m0002_accounts_and_overview", up: m0002_accounts_and_overview::UP }),
            Box::new(Script { name: "m0003_installation", up: m0003_installation::UP }),
        ]
    }
}

/// Statements with the words of [`Dialect::render`].
struct Script {
    name: &'static str,
    up: &'static str,
}

impl MigrationName for Script {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => Dialect::Postgres,
            _ => Dialect::Sqlite,
        };
        manager.get_connection().execute_unprepared(&dialect.render(self.up)).await.map(drop)
    }
}

"""Linked profiles in SQL, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.sql.database import Database
from shop.adapters.sql.social import SqlProfileReads, SqlProfiles, SqlSpentStates
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.ports.social import ProfileReads, Profiles, SpentStates


class SqlSocial(Provider):
    scope = Scope.REQUEST

    @provide
    def profiles(self, uow: SqlUnitOfWork) -> Profiles:
        return SqlProfiles(uow)

    @provide
    def spent(self, uow: SqlUnitOfWork) -> SpentStates:
        return SqlSpentStates(uow)

    @provide(scope=Scope.APP)
    def reads(self, database: Database) -> ProfileReads:
        return SqlProfileReads(database)

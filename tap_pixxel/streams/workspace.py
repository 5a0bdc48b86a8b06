"""The resources of a workspace for orders and deliveries: stores, bandsets, projects."""

from __future__ import annotations

from pixxel_api.pagination.paging import PageNumberPaging, SinglePage
from tap_pixxel.columns import INTEGER, OBJECT, OBJECTS, TEXT, TIMESTAMP, Column, TableSchema
from tap_pixxel.stream_types.base import PixxelStream


class Stores(PixxelStream):
    """GET /v0/stores: buckets for deliveries; the API never returns their credentials."""

    name = "stores"
    path = "/v0/stores"
    records_key = "stores"
    paging = SinglePage()
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the store, named by deliveries as cloud_delivery.config."),
        Column("name", TEXT, "Name, unique in the workspace."),
        Column("type", TEXT, "Cloud: S3, GCS or AZBLOB."),
        Column("configs", OBJECT, "bucket, region and path_prefix."),
        Column("labels", OBJECT, "Labels that users have set."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC."),
        Column("created_by", TEXT, "Id of the user who created it."),
    )


class Bandsets(PixxelStream):
    """GET /v0/bandsets: sets of bands that a tasking order can ask for."""

    name = "bandsets"
    path = "/v0/bandsets"
    records_key = "bandsets"
    paging = SinglePage()
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the bandset."),
        Column("name", TEXT, "Name."),
        Column("description", TEXT, "Description."),
        Column("captures", INTEGER, "Captures that an order with this bandset needs."),
        Column("bands", OBJECTS, "Bands: name, and wavelength in nanometres."),
    )


class Projects(PixxelStream):
    """GET /v0/projects: the projects that the token may use."""

    name = "projects"
    path = "/v0/projects"
    records_key = "projects"
    paging = PageNumberPaging()
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the project, named by order items."),
        Column("name", TEXT, "Short name."),
        Column("title", TEXT, "Display name."),
        Column("org_id", TEXT, "Id of the workspace."),
        Column("members_count", INTEGER, "Number of users."),
        Column("metadata", OBJECT, "Key and value pairs."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC."),
    )


STREAMS = (Bandsets, Projects, Stores)

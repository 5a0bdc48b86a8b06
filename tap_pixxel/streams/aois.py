"""Areas of interest (AOIs), their assets and insights, and the indices drawn on them."""

from __future__ import annotations

from pixxel_api.pagination.paging import SinglePage
from tap_pixxel.columns import (
    BOOLEAN,
    DATE,
    JSON_TEXT,
    NUMBER,
    NUMBERS,
    OBJECT,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.incremental import ServerFilteredStream
from tap_pixxel.stream_types.refusals import REFUSALS_WITHOUT_404

_AOI_ID = Column("aoi_id", TEXT, "Id of its area of interest.")
_CREATED = Column("created_at", TIMESTAMP, "When it was created, UTC.")
_UPDATED = Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key.")
_PROGRESS = Column("progress", NUMBER, "Progress in percent.")


class Aois(ServerFilteredStream):
    """GET /v0/aois: areas of interest, each with the images that cover it."""

    name = "aois"
    path = "/v0/aois"
    records_key = "aois"
    primary_keys = ("aoi_id",)
    row_key_field = path_param = "aoi_id"
    replication_key = "updated_at"
    selected_by_default = False
    table_schema = TableSchema(
        Column("aoi_id", TEXT, "Id of the area of interest."),
        Column("name", TEXT, "Name, unique in its project."),
        Column("description", TEXT, "Description."),
        Column("project_id", TEXT, "Id of its project."),
        Column("satellite_id", TEXT, "Id of the satellite."),
        Column("user_id", TEXT, "Id of the user who created it."),
        Column("status", TEXT, "Status, such as success, running, partial_success, failed."),
        _PROGRESS,
        Column("is_favourite", BOOLEAN, "Whether it is a favourite of the user."),
        Column("geometry", OBJECT, "Outline, a GeoJSON polygon in WGS84."),
        Column("centroid", NUMBERS, "Longitude and latitude of its middle, in degrees."),
        Column("area_in_sq_m", NUMBER, "Area in square metres."),
        Column("eo_bands", TEXTS, "Names of its bands."),
        Column("images", OBJECT, "Its images by their ids."),
        _CREATED,
        _UPDATED,
    )


class AoiAssets(ChildStream):
    """GET /v0/aois/{aoi_id}/assets: mosaics, images and visualizations of an area."""

    name = "aoi_assets"
    path = "/v0/aois/{aoi_id}/assets"
    records_key = "assets"
    parent = Aois
    replication_key = "updated_at"
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the asset."),
        _AOI_ID,
        Column("name", TEXT, "Name."),
        Column("description", TEXT, "Description."),
        Column("asset_type", TEXT, "mosaic, stac_item or visualization."),
        Column("visualization_id", TEXT, "Id of the visualization that it is of."),
        Column("status", TEXT, "Status, such as success, creating, failed."),
        _PROGRESS,
        Column("date", DATE, "Day of the imagery."),
        Column("path", TEXT, "Path of the asset's file."),
        Column("resolution", NUMBER, "Size of a pixel in metres."),
        Column("band_list", TEXTS, "Names of its bands."),
        Column("geometry", OBJECT, "Outline, GeoJSON in WGS84."),
        Column("centroid", NUMBERS, "Longitude and latitude of its middle, in degrees."),
        Column("area_in_sq_m", NUMBER, "Area in square metres."),
        _CREATED,
        _UPDATED,
    )


class Visualizations(ChildStream):
    """GET /v0/aois/{aoi_id}/visualizations: indices drawn on an area."""

    name = "visualizations"
    path = "/v0/aois/{aoi_id}/visualizations"
    records_key = "visualization"  # in the singular
    parent = Aois
    replication_key = "updated_at"
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the visualization."),
        _AOI_ID,
        Column("index_id", TEXT, "Id of the index."),
        Column("status", TEXT, "Status, such as success, creating, failed."),
        _PROGRESS,
        Column("user_id", TEXT, "Id of the user who created it."),
        Column("tenant_id", TEXT, "Id of the tenant."),
        _CREATED,
        _UPDATED,
    )


class Insights(ChildStream):
    """GET /v0/aoi/{aoi_id}/insights: results of models for an area."""

    name = "insights"
    path = "/v0/aoi/{aoi_id}/insights"
    records_key = "insights"
    paging = SinglePage()
    parent = Aois
    refusals = REFUSALS_WITHOUT_404
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the insight."),
        _AOI_ID,
        Column("name", TEXT, "Name."),
        Column("status", TEXT, "Status of its processing."),
        _PROGRESS,
        Column("cost", NUMBER, "Cost in tokens."),
        Column("estimated_time_in_min", NUMBER, "Expected duration in minutes."),
        Column("err_msg", TEXT, "Error message."),
        Column("input", JSON_TEXT, "Input, as JSON text."),
        Column("output", JSON_TEXT, "Result, as JSON text."),
        Column("metadata", OBJECT, "Key and value pairs."),
        Column("created_by", TEXT, "Id of the user who created it."),
        _CREATED,
        Column("deleted_at", TIMESTAMP, "When it was deleted, UTC; null until then."),
    )


class Indices(PixxelStream):
    """GET /v0/indices: the indices that can be drawn, presets and the workspace's own."""

    name = "indices"
    path = "/v0/indices"
    records_key = "indices"
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the index."),
        Column("name", TEXT, "Name."),
        Column("description", TEXT, "Description."),
        Column("type", TEXT, "preset or custom."),
        Column("expression", TEXT, "Formula."),
        Column("expression_type", TEXT, "index, composite or grayscale."),
        Column("satellite_id", TEXT, "Id of the satellite that it is for."),
        Column("bands", TEXTS, "Names of the bands in it."),
        Column("colormap", TEXT, "Name of the colour map."),
        Column("rescale", NUMBERS, "Minimum and maximum of the colour map."),
        _CREATED,
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC."),
    )


STREAMS = (AoiAssets, Aois, Indices, Insights, Visualizations)

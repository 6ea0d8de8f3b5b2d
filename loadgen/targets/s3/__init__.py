"""MinIO, SeaweedFS, rclone, Amazon S3, and all that speak S3."""

from loadgen.recipe.kinds import Kind
from loadgen.targets.s3.models import S3Service, S3Workload
from loadgen.targets.s3.target import S3Target

KIND = Kind(S3Service, S3Workload, S3Target, about="MinIO, and all stores that speak S3")

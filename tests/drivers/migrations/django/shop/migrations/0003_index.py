from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0002_more")]
    operations = [AddIndexConcurrently("Order", models.Index(fields=["shipped", "number"], name="orders_shipped"))]

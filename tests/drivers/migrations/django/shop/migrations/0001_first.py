from django.db import migrations, models


def fill(apps, schema_editor):
    order, plan = apps.get_model("shop", "Order"), apps.get_model("shop", "Plan")
    plan.objects.create(name="free")
    plan.objects.bulk_create([plan(name="team"), plan(name="large")])
    order.objects.bulk_create([order(tenant_id=tenant, number=1, title=f"of {tenant}") for tenant in range(1, 21)])


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Plan",
            [("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False, verbose_name="ID")), ("name", models.CharField(max_length=40, unique=True))],
        ),
        migrations.CreateModel(
            "Order",
            [
                ("pk", models.CompositePrimaryKey("tenant_id", "number", blank=True, editable=False, primary_key=True, serialize=False)),
                ("tenant_id", models.BigIntegerField()),
                ("number", models.BigIntegerField()),
                ("title", models.CharField(max_length=40, null=True)),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

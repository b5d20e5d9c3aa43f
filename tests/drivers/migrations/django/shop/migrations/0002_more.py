import django.db.models.deletion
from django.db import migrations, models


def plan_of(apps, schema_editor):
    order, plan = apps.get_model("shop", "Order"), apps.get_model("shop", "Plan")
    free, team = plan.objects.get(name="free"), plan.objects.get(name="team")
    order.objects.update(plan=free)
    order.objects.filter(tenant_id__lt=5).update(plan=team)
    for one in order.objects.filter(tenant_id__gte=15).order_by("tenant_id"):
        one.title = one.title.upper()
        one.save()
    plan.objects.filter(name="team").update(price="9.99")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_first")]
    operations = [
        migrations.AddField("Plan", "price", models.DecimalField(decimal_places=2, default=0, max_digits=10)),
        migrations.AddField("Order", "shipped", models.BooleanField(default=False)),
        migrations.AddField("Order", "plan", models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="shop.plan")),
        migrations.AlterField("Order", "title", models.CharField(default="", max_length=200)),
        migrations.AddConstraint("Order", models.UniqueConstraint(fields=["tenant_id", "title", "number"], name="orders_title")),
        migrations.AddConstraint("Order", models.CheckConstraint(condition=models.Q(("number__gt", 0)), name="orders_number")),
        migrations.RunPython(plan_of, migrations.RunPython.noop),
        migrations.RunSQL("COMMENT ON TABLE shop_order IS 'orders'", "COMMENT ON TABLE shop_order IS NULL"),
    ]

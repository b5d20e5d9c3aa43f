"""A shop's tables: plans are every tenant's, orders are one's."""

from django.db import models


class Plan(models.Model):
    name = models.CharField(max_length=40, unique=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, default=0)


class Order(models.Model):
    pk = models.CompositePrimaryKey("tenant_id", "number")
    tenant_id = models.BigIntegerField()
    number = models.BigIntegerField()
    title = models.CharField(max_length=200, default="")
    shipped = models.BooleanField(default=False)
    plan = models.ForeignKey(Plan, null=True, on_delete=models.PROTECT)

    class Meta:
        indexes = [models.Index(fields=["shipped", "number"], name="orders_shipped")]
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "title", "number"], name="orders_title"),
            models.CheckConstraint(condition=models.Q(number__gt=0), name="orders_number"),
        ]

{{/* One service of Loki: its Deployment, and a PodDisruptionBudget where there is something to keep. Takes `root`, `component`, `values`, `port`. */}}

{{- define "loki-ops.service" -}}
{{- $name := printf "%s-%s" (include "loki-ops.fullname" .root) .component -}}
{{- $preStop := eq .component "api" | ternary (int .root.Values.preStopSeconds) 0 -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loki-ops.labels" . | nindent 4 }}
spec:
  replicas: {{ int .values.replicas }}
  # a new one is ready before an old one goes
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "loki-ops.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "loki-ops.podLabels" . | nindent 8 }}
      annotations:
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        checksum/config: {{ include "loki-ops.settings" .root | sha256sum }}
    spec:
      {{- include "loki-ops.pod" . | nindent 6 }}
      serviceAccountName: {{ include "loki-ops.serviceAccount" .root }}
      # the pause before SIGTERM, the drain, and some air
      terminationGracePeriodSeconds: {{ add $preStop (int .root.Values.drainSeconds) 15 }}
      containers:
        - name: {{ .component }}
          args: [{{ .component }}]
          {{- include "loki-ops.container" . | nindent 10 }}
          ports:
            - name: http
              containerPort: {{ .port }}
          livenessProbe:
            httpGet:
              path: /livez
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # says why not in its body; a backend that is away makes a pod not ready, never restarted. The API is asked for what all of its routes
          # need, the log: a store that is away costs the routes that read it, not the Service
          readinessProbe:
            httpGet:
              path: {{ eq .component "api" | ternary "/readyz?only=api" "/readyz" }}
              port: http
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          {{- if $preStop }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $preStop }}
          {{- end }}
          {{- with .values.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
      volumes:
        {{- include "loki-ops.volumes" (dict "root" .root "settings" (include "loki-ops.fullname" .root)) | nindent 8 }}
      {{- if .root.Values.topologySpread }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "loki-ops.selectorLabels" . | nindent 14 }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- if gt (int .values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loki-ops.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "loki-ops.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}
